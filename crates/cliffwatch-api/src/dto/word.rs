use cliffwatch_model as model;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A word of one of the model's lists, shown by its name and documented with all of them.
macro_rules! word {
    ($($name:ident = $model:ty, $all:expr;)+) => {$(
        #[derive(Clone, Copy, Debug, Serialize)]
        #[serde(into = "&'static str")]
        pub(crate) struct $name(pub(crate) $model);

        impl From<$name> for &'static str {
            fn from(word: $name) -> Self {
                word.0.as_str()
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                one_of($all.into_iter().map(<$model>::as_str))
            }
        }

        impl ToSchema for $name {}
    )+};
}

word! {
    AlertState = model::AlertState, model::AlertState::ALL.iter().copied();
    Bound = model::Bound, model::Bound::ALL.iter().copied();
    CapacityOrigin = model::CapacityOrigin, model::CapacityOrigin::ALL.iter().copied();
    CapacityReason = model::CapacityReason, model::CapacityReason::ALL.iter().copied();
    Confidence = model::Confidence, model::Confidence::ALL.iter().copied();
    CounterClass = model::CounterClass, model::CounterClass::ALL.iter().copied();
    CounterKind = model::CounterKind, model::CounterKind::ALL.iter().copied();
    ErrorKind = model::ErrorKind, model::ErrorKind::ALL;
    Outcome = model::Outcome, outcomes();
    Pattern = model::Pattern, model::Pattern::ALL.iter().copied();
    Role = model::Role, model::Role::ALL.iter().copied();
    Severity = model::Severity, model::Severity::ALL.iter().copied();
    Standing = model::Standing, model::Standing::ALL.iter().copied();
    TableKind = model::TableKind, model::TableKind::ALL.iter().copied();
    TableState = model::TableState, model::TableState::ALL.iter().copied();
    Trigger = model::Trigger, model::Trigger::ALL.iter().copied();
    Unit = model::Unit, model::Unit::ALL.iter().copied();
}

fn outcomes() -> impl Iterator<Item = model::Outcome> {
    let failed = model::ErrorKind::ALL.into_iter().map(model::Outcome::Failed);
    [model::Outcome::Ok, model::Outcome::Partial].into_iter().chain(failed)
}

fn one_of(words: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build().into()
}
