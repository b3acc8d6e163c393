use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{AlertEvent, AlertState, DeviceName, Severity, Timestamp};
use sha2::{Digest as _, Sha256};

use super::incident::{Incident, Member};
use super::scope::scope_of;
use super::{Notice, Surroundings, Topology};

/// Scopes of one device that may be critical each by itself; with one more, the device is.
pub const SCOPES_MAX: usize = 5;
/// An incident that has not been critical for this long and becomes so again is another one: a shift later,
/// who was paged then is not on call now.
pub const CRITICAL_AGAIN_AFTER: Duration = Duration::from_secs(8 * 3_600);
/// Warnings are told together, at each full hour UTC that follows one.
pub const DIGEST_EVERY: Duration = Duration::from_secs(3_600);

/// The incidents that are open, and what paging remembers beside them. As large as the alerts that are open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incidents {
    /// The instant that is being told of; all before it is decided.
    now: Option<Timestamp>,
    open: BTreeMap<Key, Incident>,
    /// Where each open alert is, by fingerprint.
    places: BTreeMap<String, Key>,
    /// Incidents that changed at this instant, and those with a page that is held back.
    unsettled: BTreeSet<Key>,
    /// Devices that cannot be reached, with the alerts that say so.
    down: BTreeMap<DeviceName, BTreeSet<String>>,
    digest: Digest,
}

/// Which incident: of a device or pair, and a scope of it or all of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    subject: Arc<str>,
    scope: Option<Arc<str>>,
}

/// Warnings that nobody was told of yet.
#[derive(Clone, Debug, Default, PartialEq)]
struct Digest {
    due: Option<Timestamp>,
    incidents: BTreeSet<(String, DeviceName)>,
}

impl Incidents {
    /// How many incidents are open.
    pub fn len(&self) -> usize {
        self.open.values().filter(|incident| !incident.members.is_empty()).count()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets time go on to `to`: tells what fell due before it. Earlier times change nothing.
    pub fn settle(&mut self, to: Timestamp, around: Surroundings<'_>) -> Vec<Notice> {
        let now = *self.now.get_or_insert(to);
        if to <= now {
            return Vec::new();
        }
        let mut notices = Vec::new();
        for key in std::mem::take(&mut self.unsettled) {
            let Some(incident) = self.open.get_mut(&key) else { continue };
            if incident.members.is_empty() {
                self.open.remove(&key);
                continue;
            }
            let down = &self.down;
            match incident.page_due(now, around, |device| down.contains_key(device)) {
                Some(at) if at < to => {
                    incident.paged = true;
                    notices.push(key.page(incident, at));
                }
                Some(_) => {
                    self.unsettled.insert(key);
                }
                None if incident.owes_page() => {
                    self.unsettled.insert(key);
                }
                None => {}
            }
        }
        notices.extend(self.settle_digest(to, around.topology));
        self.now = Some(to);
        notices.sort_by(|a, b| (a.at(), a).cmp(&(b.at(), b)));
        notices
    }

    fn settle_digest(&mut self, to: Timestamp, topology: &Topology) -> Option<Notice> {
        let at = self.digest.due.filter(|due| *due < to)?;
        self.digest.due = None;
        let incidents = std::mem::take(&mut self.digest.incidents).into_iter();
        let reachable = incidents
            .filter(|(_, device)| !topology.is_cut_off(device, |needed| self.down.contains_key(needed)));
        let incident_ids: BTreeSet<String> = reachable.map(|(id, _)| id).collect();
        (!incident_ids.is_empty())
            .then(|| Notice::Digest { at, incident_ids: incident_ids.into_iter().collect() })
    }

    /// Takes an event of the present instant, and gives it the id of its incident.
    pub(super) fn take(&mut self, event: &mut AlertEvent, around: Surroundings<'_>) {
        self.note_down(event, around.topology);
        let home = Key::of(event, around.topology);
        let mut key = self.places.get(&event.fingerprint).cloned().unwrap_or_else(|| self.known(home));
        let fires = event.state == AlertState::Firing && event.severity >= Severity::Warning;
        if fires {
            let critical = self.join(&key, event);
            if critical {
                key = self.gather(key, event);
            }
            self.note_warning(&key, event, around);
        }
        let Some(incident) = self.open.get_mut(&key) else {
            event.incident_id = None;
            return;
        };
        event.incident_id = Some(incident.id.clone());
        if !fires {
            incident.update(event);
            if !event.state.is_open() {
                self.places.remove(&event.fingerprint);
            }
        }
        self.unsettled.insert(key);
    }

    /// Continues an alert that was open before our start, from its latest event. Who was to be paged for its
    /// incident was paged.
    pub fn adopt(&mut self, event: &AlertEvent, topology: &Topology) {
        let Some(id) = event.incident_id.as_deref().filter(|_| event.state.is_open()) else { return };
        self.note_down(event, topology);
        let mut key = Key::of(event, topology);
        let device = Key { subject: Arc::clone(&key.subject), scope: None };
        let is_whole = key.scope.is_some() && id.starts_with(&device.hash());
        if is_whole {
            key = device;
        }
        let incident = self.open.entry(key.clone()).or_insert_with(|| Incident::new(id.to_owned()));
        incident.whole |= is_whole;
        incident.join(event, None);
        incident.paged |= event.told && event.severity == Severity::Critical;
        self.places.insert(event.fingerprint.clone(), key);
    }

    /// The key, or the device's where all of it is one incident.
    fn known(&self, home: Key) -> Key {
        let device = Key { subject: Arc::clone(&home.subject), scope: None };
        if self.open.get(&device).is_some_and(|incident| incident.whole) { device } else { home }
    }

    /// Whether it is critical now, and people know of it or are to know.
    fn join(&mut self, key: &Key, event: &AlertEvent) -> bool {
        let incident = self.open.entry(key.clone()).or_insert_with(|| Incident::new(key.id(event.at)));
        let critical = incident.is_told(event) && event.severity == Severity::Critical;
        let rested = |over: Timestamp| event.at.since(over) >= CRITICAL_AGAIN_AFTER;
        if critical && incident.paged && incident.critical_over.is_some_and(rested) {
            incident.id = key.id(event.at);
            incident.paged = false;
        }
        let was_critical = incident.is_critical();
        incident.join(event, self.now);
        if critical {
            incident.critical_over = None;
        } else if was_critical && !incident.is_critical() {
            incident.critical_over = Some(event.at);
        }
        self.places.insert(event.fingerprint.clone(), key.clone());
        critical
    }

    /// Makes one incident of a device where too many of its scopes are critical; gives back where the event is.
    fn gather(&mut self, key: Key, event: &AlertEvent) -> Key {
        if key.scope.is_none() {
            return key;
        }
        let device = Key { subject: Arc::clone(&key.subject), scope: None };
        let scopes: Vec<Key> = self
            .open
            .range(device.clone()..)
            .take_while(|(other, _)| other.subject == device.subject)
            .filter(|(other, _)| other.scope.is_some())
            .map(|(other, _)| other.clone())
            .collect();
        // What ended at this very instant was critical in it, whichever device reported first.
        let was = |incident: &Incident| incident.is_critical() || incident.critical_over == Some(event.at);
        let is_critical = |key: &&Key| self.open.get(key).is_some_and(was);
        if scopes.iter().filter(is_critical).count() <= SCOPES_MAX {
            return key;
        }
        let parts: Vec<Incident> = scopes.iter().filter_map(|scope| self.open.remove(scope)).collect();
        let whole = self.open.entry(device.clone()).or_insert_with(|| Incident::new(device.id(event.at)));
        whole.whole = true;
        whole.critical_over = None;
        for (fingerprint, member) in parts.into_iter().flat_map(|part| part.members) {
            self.places.insert(fingerprint.clone(), device.clone());
            whole.members.insert(fingerprint, member);
        }
        device
    }

    fn note_down(&mut self, event: &AlertEvent, topology: &Topology) {
        if !topology.says_down(&event.rule) {
            return;
        }
        if event.state == AlertState::Firing {
            self.down.entry(event.device.clone()).or_default().insert(event.fingerprint.clone());
        } else if !event.state.is_open()
            && let Some(alerts) = self.down.get_mut(&event.device)
        {
            alerts.remove(&event.fingerprint);
            if alerts.is_empty() {
                self.down.remove(&event.device);
            }
            // What the device's being down held back is due now; the unsettled are looked at as time goes on.
        }
    }

    fn note_warning(&mut self, key: &Key, event: &AlertEvent, around: Surroundings<'_>) {
        let Some(incident) = self.open.get(key) else { return };
        let at = self.now.map_or(event.at, |now| now.max(event.at));
        let member = Member::of(event);
        let silenced =
            around.silences.iter().any(|silence| member.is_hit(silence) && silence.ends(at).is_some());
        if event.told && event.severity == Severity::Warning && !silenced {
            self.digest.due.get_or_insert_with(|| next_digest(at));
            self.digest.incidents.insert((incident.id.clone(), event.device.clone()));
        }
    }
}

fn next_digest(at: Timestamp) -> Timestamp {
    let every = i64::try_from(DIGEST_EVERY.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros().div_euclid(every).saturating_add(1).saturating_mul(every))
}

impl Notice {
    /// When it is due.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Page { at, .. } | Self::Digest { at, .. } => *at,
        }
    }
}

impl Key {
    fn of(event: &AlertEvent, topology: &Topology) -> Self {
        let scope = event.table.as_deref().map(|path| scope_of(path).into());
        Self { subject: topology.subject(&event.device), scope }
    }

    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"incident/");
        hash.update(self.subject.as_bytes());
        if let Some(scope) = &self.scope {
            hash.update(b"/");
            hash.update(scope.as_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        format!("{:016x}", u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The id of the incident that begins at `at`: the same in a replay, different for the next one.
    fn id(&self, at: Timestamp) -> String {
        format!("{}-{}", self.hash(), at.as_micros())
    }

    fn page(&self, incident: &Incident, at: Timestamp) -> Notice {
        Notice::Page {
            at,
            incident_id: incident.id.clone(),
            subject: self.subject.to_string(),
            scope: self.scope.as_deref().map(str::to_owned),
        }
    }
}
