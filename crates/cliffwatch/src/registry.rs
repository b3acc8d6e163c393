//! The one list of platforms.

use std::sync::Arc;

use cliffwatch_model::Platform;
use cliffwatch_source::SourceFactory;
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_transport::ssh::SshHub;

/// Platforms that the product will have and this version does not.
const LATER: [&str; 5] = ["panos", "fortigate", "asa", "aws-nat", "azure-nat"];

/// The platforms of this build.
pub(crate) struct Registry {
    factories: Vec<Arc<dyn SourceFactory>>,
}

impl Registry {
    /// Every platform, each once: its factory lives as long as the process.
    pub(crate) fn new() -> Self {
        Self { factories: vec![Arc::new(LinuxFactory::new(SshHub::new()))] }
    }

    pub(crate) fn factories(&self) -> Vec<Arc<dyn SourceFactory>> {
        self.factories.clone()
    }

    pub(crate) fn factory(&self, platform: &Platform) -> Option<&Arc<dyn SourceFactory>> {
        self.factories.iter().find(|factory| factory.platform() == *platform)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.factories.iter().map(|factory| factory.platform().to_string()).collect()
    }
}

/// Whether it is a platform of a later version.
pub(crate) fn comes_later(platform: &str) -> bool {
    LATER.contains(&platform)
}

/// The platforms of later versions, for people.
pub(crate) fn later() -> String {
    LATER.join(", ")
}
