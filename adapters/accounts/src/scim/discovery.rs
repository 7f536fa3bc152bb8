//! What describes the service: its configuration, resource types and schemas (RFC 7644 section 4).

use serde_json::{Value, json};

use super::limits::{MAX_BODY, MAX_OPERATIONS, MAX_PAGE};
use super::list::list;
use super::refusal::Refusal;
use super::response::{Body, Response};
use super::route::Document;
use super::schema::{
    Attribute, GROUPS, Mutability, RESOURCE_TYPE, ResourceType, Returned, SCHEMA, SCHEMAS,
    SERVICE_PROVIDER_CONFIG, Schema, Type, USERS,
};

/// Answers a GET of a document.
pub(super) fn answer(
    document: &Document,
    query: &str,
    base_url: &str,
) -> Result<Response, Refusal> {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    if parameters.any(|(name, _)| name.eq_ignore_ascii_case("filter")) {
        return Err(Refusal::of_status(
            403,
            "these resources cannot be filtered",
        ));
    }
    let types = [&USERS, &GROUPS];
    match document {
        Document::ServiceProviderConfig => Ok(Response::json(200, &configuration(base_url))),
        Document::ResourceTypes => {
            let shown = types.map(|one| resource_type(one, base_url));
            Ok(listed(&shown))
        }
        Document::ResourceType(name) => {
            let found = types.into_iter().find(|one| one.name == name);
            let found = found.ok_or_else(|| Refusal::not_found(name))?;
            Ok(Response::json(200, &resource_type(found, base_url)))
        }
        Document::Schemas => Ok(listed(&SCHEMAS.map(|one| schema(one, base_url)))),
        Document::Schema(urn) => {
            let found = SCHEMAS
                .into_iter()
                .find(|one| one.urn.eq_ignore_ascii_case(urn));
            let found = found.ok_or_else(|| Refusal::not_found(urn))?;
            Ok(Response::json(200, &schema(found, base_url)))
        }
    }
}

fn listed(values: &[Value]) -> Response {
    let mut body = Body::default();
    let texts: Vec<_> = values.iter().map(Value::to_string).collect();
    body.push_text(texts.join(","));
    list(values.len() as u64, 1, values.len(), body)
}

fn configuration(base_url: &str) -> Value {
    json!({
        "schemas": [SERVICE_PROVIDER_CONFIG.urn],
        "patch": {"supported": true},
        // Some clients cut their PATCHes by this number, bulk or not.
        "bulk": {"supported": false, "maxOperations": MAX_OPERATIONS, "maxPayloadSize": MAX_BODY},
        "filter": {"supported": true, "maxResults": MAX_PAGE},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "A token in the Authorization header (RFC 6750)",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base_url}/ServiceProviderConfig"),
        },
    })
}

fn resource_type(resource_type: &ResourceType, base_url: &str) -> Value {
    let name = resource_type.name;
    let extensions = resource_type.extensions.iter();
    let extensions: Vec<_> = extensions
        .map(|schema| json!({"schema": schema.urn, "required": false}))
        .collect();
    json!({
        "schemas": [RESOURCE_TYPE.urn],
        "id": name,
        "name": name,
        "description": resource_type.description,
        "endpoint": resource_type.endpoint,
        "schema": resource_type.schema.urn,
        "schemaExtensions": extensions,
        "meta": {
            "resourceType": "ResourceType",
            "location": format!("{base_url}/ResourceTypes/{name}"),
        },
    })
}

fn schema(schema: &Schema, base_url: &str) -> Value {
    let attributes: Vec<_> = schema.attributes.iter().map(attribute).collect();
    json!({
        "schemas": [SCHEMA.urn],
        "id": schema.urn,
        "name": schema.name,
        "description": schema.description,
        "attributes": attributes,
        "meta": {
            "resourceType": "Schema",
            "location": format!("{base_url}/Schemas/{}", schema.urn),
        },
    })
}

fn attribute(attribute: &Attribute) -> Value {
    let mut shown = json!({
        "name": attribute.name,
        "type": type_of(attribute.value),
        "multiValued": attribute.is_multi,
        "description": attribute.description,
        "required": attribute.is_required,
        "caseExact": attribute.is_case_exact,
        "mutability": mutability(attribute.mutability),
        "returned": returned(attribute.returned),
        "uniqueness": attribute.uniqueness,
    });
    let parts: Vec<_> = attribute.parts.iter().map(self::attribute).collect();
    let lists = [
        ("canonicalValues", json!(attribute.canonical)),
        ("referenceTypes", json!(attribute.references)),
        ("subAttributes", json!(parts)),
    ];
    for (name, list) in lists {
        let is_empty = list.as_array().is_none_or(Vec::is_empty);
        if let (false, Value::Object(shown)) = (is_empty, &mut shown) {
            shown.insert(name.to_owned(), list);
        }
    }
    shown
}

const fn type_of(value: Type) -> &'static str {
    match value {
        Type::Text => "string",
        Type::Boolean => "boolean",
        Type::Integer => "integer",
        Type::DateTime => "dateTime",
        Type::Binary => "binary",
        Type::Reference => "reference",
        Type::Complex => "complex",
    }
}

const fn mutability(mutability: Mutability) -> &'static str {
    match mutability {
        Mutability::ReadOnly => "readOnly",
        Mutability::ReadWrite => "readWrite",
        Mutability::Immutable => "immutable",
        Mutability::WriteOnly => "writeOnly",
    }
}

const fn returned(returned: Returned) -> &'static str {
    match returned {
        Returned::Always => "always",
        Returned::Never => "never",
        Returned::Default => "default",
    }
}
