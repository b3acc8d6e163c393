//! Query parameters: known by name, documented where they are read, and never silently ignored.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter as OpenApiParameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

use crate::list::LIMIT_MAX;
use crate::problem::{Problem, ProblemKind};

/// Ends the name of a parameter that stands for many: `label.NAME`.
const ANY: &str = ".NAME";

/// A parameter: its name and what it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    name: &'static str,
    what: &'static str,
    shape: Shape,
}

/// What the text of a parameter is.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Text,
    Time,
    Count,
}

/// The parameters of a route.
pub(crate) trait Parameters {
    fn known() -> Vec<Parameter>;
}

/// A route without parameters.
pub(crate) struct Nothing;

impl Parameters for Nothing {
    fn known() -> Vec<Parameter> {
        Vec::new()
    }
}

/// What was asked, all of it known.
pub(crate) struct Asked<P> {
    values: BTreeMap<String, String>,
    route: PhantomData<P>,
}

impl<P> Asked<P> {
    /// A parameter's text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A parameter's value; `expected` completes "expected …".
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| Problem::parameter(name, text, expected))
    }

    /// The parameters that begin with this, without it.
    pub(crate) fn beginning_with(&self, prefix: &str) -> BTreeMap<String, String> {
        let matching =
            self.values.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
        matching.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
}

impl<P: Parameters> Asked<P> {
    /// Reads the query string of an address.
    fn read(uri: &Uri) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Problem::new(ProblemKind::BadRequest, "the query string cannot be read"))?;
        let known = P::known();
        let mut values = BTreeMap::new();
        for (name, value) in pairs.0 {
            if !known.iter().any(|parameter| parameter.is(&name)) {
                return Err(unknown(&name, &known));
            }
            if values.insert(name.clone(), value).is_some() {
                return Err(Problem::new(ProblemKind::BadParameter, format!("`{name}` is given twice")));
            }
        }
        Ok(Self { values, route: PhantomData })
    }

    #[cfg(test)]
    pub(crate) fn of(query: &str) -> Result<Self, Problem> {
        Self::read(&format!("/x?{query}").parse().unwrap_or_default())
    }
}

impl<P: Parameters, S: Sync> FromRequestParts<S> for Asked<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::read(&parts.uri)
    }
}

impl<P: Parameters> IntoParams for Asked<P> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<OpenApiParameter> {
        let parameter = |known: Parameter| {
            ParameterBuilder::new()
                .name(known.name)
                .description(Some(known.what))
                .parameter_in(ParameterIn::Query)
                .schema(Some(known.shape.schema()))
                .build()
        };
        P::known().into_iter().map(parameter).collect()
    }
}

impl Parameter {
    pub(crate) const fn new(name: &'static str, what: &'static str) -> Self {
        Self { name, what, shape: Shape::Text }
    }

    /// One that is a time in RFC 3339.
    pub(crate) const fn time(name: &'static str, what: &'static str) -> Self {
        Self { name, what, shape: Shape::Time }
    }

    /// One that is a number of items.
    pub(crate) const fn count(name: &'static str, what: &'static str) -> Self {
        Self { name, what, shape: Shape::Count }
    }

    fn is(self, name: &str) -> bool {
        match self.name.strip_suffix(ANY) {
            None => self.name == name,
            Some(stem) => name
                .strip_prefix(stem)
                .and_then(|rest| rest.strip_prefix('.'))
                .is_some_and(|rest| !rest.is_empty()),
        }
    }
}

impl Shape {
    fn schema(self) -> Object {
        let schema = ObjectBuilder::new();
        match self {
            Self::Text => schema.schema_type(Type::String),
            Self::Time => schema
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
            Self::Count => schema.schema_type(Type::Integer).minimum(Some(1)).maximum(Some(LIMIT_MAX)),
        }
        .build()
    }
}

fn unknown(name: &str, known: &[Parameter]) -> Problem {
    let shown: String = name.chars().take(100).collect();
    let problem =
        Problem::new(ProblemKind::UnknownParameter, format!("there is no parameter {shown:?} here"));
    match known {
        [] => problem.with_hint("this path takes no parameters"),
        known => {
            let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
            problem.with_hint(format!("the parameters are {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Route;

    impl Parameters for Route {
        fn known() -> Vec<Parameter> {
            vec![Parameter::new("device", "a device"), Parameter::new("label.NAME", "a label")]
        }
    }

    #[test]
    fn what_is_known_is_read() {
        let asked = Asked::<Route>::of("device=a%26b&label.site=ams1&label.x.y=").unwrap();
        assert_eq!(asked.text("device"), Some("a&b"));
        let labels = asked.beginning_with("label.");
        assert_eq!(
            labels.into_iter().collect::<Vec<_>>(),
            [("site".into(), "ams1".into()), ("x.y".to_owned(), String::new())]
        );
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        let expected = Problem::new(ProblemKind::UnknownParameter, "there is no parameter \"devise\" here")
            .with_hint("the parameters are device, label.NAME");
        assert_eq!(Asked::<Route>::of("devise=a").err(), Some(expected));
        assert!(Asked::<Route>::of("label.=x").is_err());
        assert!(Asked::<Route>::of("label=x").is_err());
        let twice = Problem::new(ProblemKind::BadParameter, "`device` is given twice");
        assert_eq!(Asked::<Route>::of("device=a&device=b").err(), Some(twice));
    }
}
