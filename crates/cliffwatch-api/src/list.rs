//! Lists that are answered from memory: filter, sort, cut into pages.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use cliffwatch_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cursor;
use crate::problem::{Problem, bad_cursor};
use crate::query::{Asked, Parameter, Parameters};

/// Items of a page, unless asked for otherwise: a fleet of ordinary size in one answer.
pub(crate) const LIMIT_DEFAULT: usize = 1_000;
/// Items of a page, at most: a few megabytes of JSON.
pub(crate) const LIMIT_MAX: usize = 5_000;

/// What a list holds.
pub(crate) trait Item {
    /// What it can be sorted by and, where that is a word, filtered by.
    const FIELDS: &'static [Field];

    /// A field that is a word.
    fn word(&self, name: &str) -> Option<&str>;

    /// A field that is a number, or the rank of a word that has one. NaN is unknown.
    fn number(&self, name: &str) -> Option<f64>;

    /// What no other item has. It orders items that are otherwise equal, and all when no order is asked for.
    fn key(&self) -> String;

    /// The device's labels.
    fn labels(&self) -> &BTreeMap<String, String>;
}

/// A field of a list's items.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    name: &'static str,
    /// What a filter of this name keeps; nothing where there is no such filter.
    keeps: Option<&'static str>,
}

impl Field {
    /// A word that can be sorted and filtered by.
    pub(crate) const fn filter(name: &'static str, keeps: &'static str) -> Self {
        Self { name, keeps: Some(keeps) }
    }

    /// A field that can only be sorted by.
    pub(crate) const fn sort(name: &'static str) -> Self {
        Self { name, keeps: None }
    }
}

/// What an item is sorted by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Number(f64),
    Word(String),
    Unknown,
}

/// A count as a number to sort by.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn count(count: u64) -> f64 {
    count as f64
}

/// An instant as a number to sort by.
#[expect(clippy::cast_precision_loss, reason = "microseconds of this era stay below 2^52")]
pub(crate) fn time(time: Timestamp) -> f64 {
    time.as_micros() as f64
}

/// The parameters of a list of these items.
pub(crate) struct ListOf<I>(PhantomData<I>);

const LABEL: &str = "label.";
const LIST: [Parameter; 4] = [
    Parameter::new("label.NAME", "only items whose device has the label NAME with this value"),
    Parameter::new("sort", "a field to sort by; `-utilization` for descending. What is unknown comes last"),
    Parameter::count("limit", "how many items a page has at most: 1 to 5000, 1000 unless given"),
    Parameter::new("cursor", "the `next` of the page before"),
];

impl<I: Item> Parameters for ListOf<I> {
    fn known() -> Vec<Parameter> {
        let word = |field: &Field| field.keeps.map(|keeps| Parameter::new(field.name, keeps));
        I::FIELDS.iter().filter_map(word).chain(LIST).collect()
    }
}

/// A part of a list.
#[derive(Debug)]
pub(crate) struct Page<I> {
    pub(crate) items: Vec<I>,
    pub(crate) next: Option<String>,
}

/// The order of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    field: Option<String>,
    descending: bool,
}

/// Where a page ended. It carries the order, so that a cursor of another order is not misread.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    order: Order,
    value: Value,
    key: String,
}

/// Which part of a list of these items is asked for.
#[derive(Debug)]
pub(crate) struct Wanted<I> {
    words: Vec<(&'static str, String)>,
    labels: BTreeMap<String, String>,
    order: Order,
    limit: usize,
    after: Option<Place>,
    items: PhantomData<I>,
}

impl<I: Item> Wanted<I> {
    /// Reads it from the parameters of a route whose list has these items.
    pub(crate) fn read<P>(asked: &Asked<P>) -> Result<Self, Problem> {
        Self::read_after(asked, asked.text("cursor"))
    }

    /// The same with a cursor that is only a part of the parameter.
    pub(crate) fn read_after<P>(asked: &Asked<P>, cursor: Option<&str>) -> Result<Self, Problem> {
        let order = order::<I, P>(asked)?;
        let after: Option<Place> = cursor.map(cursor::read).transpose()?;
        if after.as_ref().is_some_and(|place| place.order != order) {
            return Err(bad_cursor());
        }
        let filters = I::FIELDS.iter().filter(|field| field.keeps.is_some());
        let words = filters.filter_map(|field| Some((field.name, asked.text(field.name)?.to_owned())));
        let labels = asked.beginning_with(LABEL);
        Ok(Self { words: words.collect(), labels, order, limit: limit(asked)?, after, items: PhantomData })
    }

    /// The page.
    pub(crate) fn page(&self, items: impl IntoIterator<Item = I>) -> Page<I> {
        let matching = items.into_iter().filter(|item| self.matches(item));
        let placed = matching.map(|item| (self.value(&item), item.key(), item));
        let mut left: Vec<_> = placed.filter(|(value, key, _)| self.is_after(value, key)).collect();
        left.sort_by(|a, b| compare((&a.0, &a.1), (&b.0, &b.1), self.order.descending));
        let more = left.len() > self.limit;
        left.truncate(self.limit);
        let last = left.last().filter(|_| more);
        let next = last.map(|(value, key, _)| {
            cursor::write(&Place { order: self.order.clone(), value: value.clone(), key: key.clone() })
        });
        Page { items: left.into_iter().map(|(_, _, item)| item).collect(), next }
    }

    fn matches(&self, item: &I) -> bool {
        let is = |word: &str, wanted: &str| word == wanted || wanted.split(',').any(|one| one == word);
        let words = &mut self.words.iter();
        words.all(|(name, wanted)| item.word(name).is_some_and(|word| is(word, wanted)))
            && self.labels.iter().all(|(name, value)| item.labels().get(name) == Some(value))
    }

    fn value(&self, item: &I) -> Value {
        let Some(field) = self.order.field.as_deref() else { return Value::Unknown };
        match (item.number(field).filter(|number| number.is_finite()), item.word(field)) {
            (Some(number), _) => Value::Number(number),
            (None, Some(word)) => Value::Word(word.to_owned()),
            (None, None) => Value::Unknown,
        }
    }

    fn is_after(&self, value: &Value, key: &str) -> bool {
        self.after.as_ref().is_none_or(|after| {
            compare((value, key), (&after.value, &after.key), self.order.descending) == Ordering::Greater
        })
    }
}

/// How many items were asked for.
pub(crate) fn limit<P>(asked: &Asked<P>) -> Result<usize, Problem> {
    let number = |text: &str| text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    Ok(asked.parsed("limit", "a number from 1 to 5000", number)?.unwrap_or(LIMIT_DEFAULT))
}

fn order<I: Item, P>(asked: &Asked<P>) -> Result<Order, Problem> {
    let Some(sort) = asked.text("sort") else { return Ok(Order::default()) };
    let (field, descending) = sort.strip_prefix('-').map_or((sort, false), |field| (field, true));
    if !I::FIELDS.iter().any(|known| known.name == field) {
        let names: Vec<&str> = I::FIELDS.iter().map(|known| known.name).collect();
        let expected = format!("one of {}, with `-` before it for descending", names.join(", "));
        return Err(Problem::parameter("sort", sort, &expected));
    }
    Ok(Order { field: Some(field.to_owned()), descending })
}

/// Orders by value and then by key. What is unknown comes last either way: it is neither small nor large.
fn compare(a: (&Value, &str), b: (&Value, &str), descending: bool) -> Ordering {
    let directed = |ordering: Ordering| if descending { ordering.reverse() } else { ordering };
    let by_value = match (a.0, b.0) {
        (Value::Unknown, Value::Unknown) => Ordering::Equal,
        (Value::Unknown, _) => Ordering::Greater,
        (_, Value::Unknown) => Ordering::Less,
        (Value::Number(a), Value::Number(b)) => directed(a.total_cmp(b)),
        (Value::Word(a), Value::Word(b)) => directed(a.cmp(b)),
        (Value::Number(_), Value::Word(_)) => directed(Ordering::Less),
        (Value::Word(_), Value::Number(_)) => directed(Ordering::Greater),
    };
    by_value.then_with(|| a.1.cmp(b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Thing {
        name: String,
        size: Option<f64>,
        labels: BTreeMap<String, String>,
    }

    impl Item for Thing {
        const FIELDS: &'static [Field] = &[Field::filter("name", "this name only"), Field::sort("size")];

        fn word(&self, name: &str) -> Option<&str> {
            (name == "name").then_some(&self.name)
        }

        fn number(&self, name: &str) -> Option<f64> {
            (name == "size").then_some(self.size).flatten()
        }

        fn key(&self) -> String {
            self.name.clone()
        }

        fn labels(&self) -> &BTreeMap<String, String> {
            &self.labels
        }
    }

    fn things() -> Vec<Thing> {
        let size =
            |number: u32| if number.is_multiple_of(5) { None } else { Some(f64::from(number % 7) / 10.0) };
        let labels = |number: u32| BTreeMap::from([("odd".to_owned(), (number % 2).to_string())]);
        let thing =
            |number| Thing { name: format!("t{number:02}"), size: size(number), labels: labels(number) };
        (0..50).rev().map(thing).collect()
    }

    fn pages(query: &str, limit: usize) -> Vec<Thing> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let next = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let asked = Asked::<ListOf<Thing>>::of(&format!("{query}&limit={limit}{next}")).unwrap();
            let page = Wanted::read(&asked).unwrap().page(things());
            assert!(page.items.len() <= limit);
            all.extend(page.items);
            match page.next {
                None => return all,
                next => cursor = next,
            }
        }
    }

    #[test]
    fn pages_are_complete_and_without_duplicates_in_every_order() {
        for order in ["", "sort=name", "sort=-name", "sort=size", "sort=-size"] {
            let whole = pages(order, 5_000);
            assert_eq!(whole.len(), 50);
            for limit in [1, 7, 49, 50] {
                assert_eq!(pages(order, limit), whole, "{order} by {limit}");
            }
        }
    }

    #[test]
    fn what_is_unknown_comes_last_either_way() {
        for order in ["sort=size", "sort=-size"] {
            let sizes: Vec<_> = pages(order, 9).into_iter().map(|thing| thing.size).collect();
            assert!(sizes[..40].iter().all(Option::is_some) && sizes[40..].iter().all(Option::is_none));
        }
        assert_eq!(pages("sort=-size", 9)[0].size, Some(0.6));
    }

    #[test]
    fn filters_are_anded_and_a_comma_is_an_or() {
        let names = |query| pages(query, 9).into_iter().map(|thing| thing.name).collect::<Vec<_>>();
        assert_eq!(names("name=t03"), ["t03"]);
        assert_eq!(names("name=t03,t04"), ["t03", "t04"]);
        assert_eq!(names("name=t03,t04&label.odd=1"), ["t03"]);
        assert!(names("label.even=1").is_empty());
    }

    #[test]
    fn mistakes_are_named() {
        let wanted = |query: &str| Wanted::<Thing>::read(&Asked::<ListOf<Thing>>::of(query).unwrap()).err();
        let problem =
            Problem::parameter("sort", "-weight", "one of name, size, with `-` before it for descending");
        assert_eq!(wanted("sort=-weight"), Some(problem));
        for limit in ["0", "5001", "-1", "ten", ""] {
            let problem = Problem::parameter("limit", limit, "a number from 1 to 5000");
            assert_eq!(wanted(&format!("limit={limit}")), Some(problem));
        }
        assert_eq!(wanted("cursor=00"), Some(bad_cursor()));
        let asked = Asked::<ListOf<Thing>>::of("sort=name&limit=1").unwrap();
        let cursor = Wanted::read(&asked).unwrap().page(things()).next.unwrap();
        assert_eq!(wanted(&format!("sort=name&cursor={cursor}")), None);
        assert_eq!(wanted(&format!("sort=-name&cursor={cursor}")), Some(bad_cursor()));
    }
}
