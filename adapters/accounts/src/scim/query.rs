//! What the query of a URL asks for, or the body of a search (RFC 7644 sections 3.4.2 and 3.4.3).

use serde_json::Value;

use super::clean::Object;
use super::filter::Filter;
use super::limits::{DEFAULT_PAGE, MAX_PAGE, MAX_QUERY};
use super::projection::Projection;
use super::refusal::{Refusal, ScimType, quoted};
use super::schema::ResourceType;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Query {
    /// What resources have to match.
    pub(super) filter: Option<Filter>,
    /// The number of the first, counted from 1.
    pub(super) start_index: u64,
    /// How many at most.
    pub(super) count: usize,
    /// What of them is shown.
    pub(super) projection: Projection,
}

/// What a question is made of, as texts.
#[derive(Default)]
struct Parameters {
    filter: Option<String>,
    start_index: Option<String>,
    count: Option<String>,
    attributes: Option<String>,
    excluded: Option<String>,
}

impl Query {
    /// Reads the query of a URL.
    pub(super) fn parse(
        resource_type: &'static ResourceType,
        query: &str,
    ) -> Result<Self, Refusal> {
        if query.len() > MAX_QUERY {
            return Err(Refusal::of_status(
                414,
                format!("a query is longer than {MAX_QUERY} bytes"),
            ));
        }
        let mut parameters = Parameters::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            parameters.set(&name, value.into_owned())?;
        }
        parameters.read(resource_type)
    }

    /// Reads the body of a search.
    pub(super) fn of_search(
        resource_type: &'static ResourceType,
        body: &Object,
    ) -> Result<Self, Refusal> {
        let mut parameters = Parameters::default();
        for (name, value) in body {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Array(names) => {
                    let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
                    names.join(",")
                }
                _ => continue,
            };
            if name != "schemas" {
                parameters.set(name, text)?;
            }
        }
        parameters.read(resource_type)
    }
}

impl Parameters {
    fn set(&mut self, name: &str, value: String) -> Result<(), Refusal> {
        let parameter = match name.to_ascii_lowercase().as_str() {
            "filter" => &mut self.filter,
            "startindex" => &mut self.start_index,
            "count" => &mut self.count,
            "attributes" => &mut self.attributes,
            "excludedattributes" => &mut self.excluded,
            // Sorting is not supported, and not announced; the rest is nothing of SCIM's.
            _ => return Ok(()),
        };
        if parameter.replace(value).is_some() {
            let detail = format!("{} occurs twice in the query", quoted(name));
            return Err(Refusal::value(detail));
        }
        Ok(())
    }

    fn read(self, resource_type: &'static ResourceType) -> Result<Query, Refusal> {
        let filter = self.filter.filter(|text| !text.trim().is_empty());
        let filter = filter
            .map(|text| Filter::parse(resource_type, &text))
            .transpose()?;
        let start_index = number("startIndex", self.start_index.as_deref())?.unwrap_or(1);
        let count = number("count", self.count.as_deref())?;
        let count = count.map_or(DEFAULT_PAGE, |count| {
            // Less than none is none (RFC 7644 section 3.4.2.4).
            usize::try_from(count.max(0)).unwrap_or(MAX_PAGE)
        });
        let attributes = self.attributes.as_deref();
        let projection = Projection::parse(resource_type, attributes, self.excluded.as_deref());
        Ok(Query {
            filter,
            start_index: u64::try_from(start_index).unwrap_or(1).max(1),
            count: count.min(MAX_PAGE),
            projection,
        })
    }
}

fn number(name: &str, text: Option<&str>) -> Result<Option<i64>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let number = text.parse().map_err(|_| {
        let detail = format!("{name} is {} and not a number", quoted(text));
        Refusal::new(ScimType::InvalidValue, detail)
    })?;
    Ok(Some(number))
}
