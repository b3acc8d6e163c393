use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use cliffwatch_model::DeviceName;
use cliffwatch_source::SessionSource;

/// The sources that are open now, by device: for those who look through one device at another.
#[derive(Debug, Default)]
pub(crate) struct Sources(Mutex<HashMap<DeviceName, Weak<dyn SessionSource>>>);

impl Sources {
    /// Notes the source of a device.
    pub(super) fn know(&self, device: &DeviceName, source: Option<&Arc<dyn SessionSource>>) {
        let mut sources = self.lock();
        match (source, sources.get_mut(device)) {
            (Some(source), Some(known)) => *known = Arc::downgrade(source),
            (Some(source), None) => {
                sources.insert(device.clone(), Arc::downgrade(source));
            }
            (None, _) => {
                sources.remove(device);
            }
        }
    }

    /// The device is polled no more.
    pub(super) fn forget(&self, device: &DeviceName) {
        self.lock().remove(device);
    }

    /// The source of a device, where it has one now.
    pub(super) fn of(&self, device: &DeviceName) -> Option<Arc<dyn SessionSource>> {
        self.lock().get(device)?.upgrade()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeviceName, Weak<dyn SessionSource>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
