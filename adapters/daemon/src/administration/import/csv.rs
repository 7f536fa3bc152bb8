//! Tables of accounts as spreadsheets write them (RFC 4180), whose first line names the columns.

use super::Row;

/// The columns that there are.
const COLUMNS: &str = "address, display_name, external_id, aliases, quota, active";

/// A column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Column {
    Address,
    DisplayName,
    ExternalId,
    /// Separated by blanks.
    Aliases,
    Quota,
    Active,
}

impl Column {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "address" => Self::Address,
            "display_name" => Self::DisplayName,
            "external_id" => Self::ExternalId,
            "aliases" => Self::Aliases,
            "quota" => Self::Quota,
            "active" => Self::Active,
            _ => return None,
        })
    }
}

/// A row, or why it is none; with the number of its first line.
pub(super) type Read = (usize, Result<Row, String>);

/// Reads a table.
///
/// # Errors
/// What is wrong with its first line: then nothing can be said of the others.
pub(super) fn read(text: &str) -> Result<Vec<Read>, String> {
    // Excel begins a file of UTF-8 with a mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = Records {
        rest: text,
        line: 1,
    };
    let header = records.next().map(|(_, header)| header);
    let header = header.ok_or("it is empty")??;
    let mut columns = Vec::new();
    for name in &header {
        let name = name.trim().to_ascii_lowercase();
        let column = Column::named(&name).ok_or_else(|| {
            format!("there is no column {name:?}; its first line names some of: {COLUMNS}")
        })?;
        if columns.contains(&column) {
            return Err(format!("the column {name:?} is there twice"));
        }
        columns.push(column);
    }
    if !columns.contains(&Column::Address) {
        return Err(format!(
            "its first line names no column \"address\"; it names some of: {COLUMNS}"
        ));
    }
    let rows = records.filter(|(_, fields)| !is_blank(fields));
    let row = |(line, fields): (usize, Fields)| (line, fields.and_then(|all| row(&columns, &all)));
    Ok(rows.map(row).collect())
}

fn is_blank(fields: &Fields) -> bool {
    fields
        .as_ref()
        .is_ok_and(|fields| fields.iter().all(|field| field.trim().is_empty()))
}

fn row(columns: &[Column], fields: &[String]) -> Result<Row, String> {
    if fields.len() != columns.len() {
        let (found, wanted) = (fields.len(), columns.len());
        return Err(format!(
            "it has {found} fields, and the first line {wanted}"
        ));
    }
    let mut row = Row::default();
    for (column, field) in columns.iter().zip(fields) {
        let field = field.trim();
        if field.is_empty() {
            continue;
        }
        let text = || Some(field.to_owned());
        match column {
            Column::Address => field.clone_into(&mut row.address),
            Column::DisplayName => row.display_name = text(),
            Column::ExternalId => row.external_id = text(),
            Column::Aliases => row.aliases = field.split_whitespace().map(str::to_owned).collect(),
            Column::Quota => {
                let quota = field.parse();
                row.quota = Some(quota.map_err(|_| "its quota is no number of bytes".to_owned())?);
            }
            Column::Active => {
                row.is_disabled = match &*field.to_ascii_lowercase() {
                    "true" => false,
                    "false" => true,
                    _ => return Err("active is neither \"true\" nor \"false\"".to_owned()),
                }
            }
        }
    }
    Ok(row)
}

/// The fields of a record, or what is wrong with its quotes.
type Fields = Result<Vec<String>, String>;

/// Records, each with the number of its first line.
struct Records<'t> {
    rest: &'t str,
    line: usize,
}

impl Iterator for Records<'_> {
    type Item = (usize, Fields);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            match self.field() {
                Ok((field, is_last)) => {
                    fields.push(field);
                    if is_last {
                        return Some((line, Ok(fields)));
                    }
                }
                Err(why) => return Some((line, Err(why))),
            }
        }
    }
}

impl Records<'_> {
    /// The next field, and whether it is the last of its record.
    fn field(&mut self) -> Result<(String, bool), String> {
        let mut field = String::new();
        if let Some(quoted) = self.rest.strip_prefix('"') {
            self.rest = quoted;
            loop {
                let Some((part, rest)) = self.rest.split_once('"') else {
                    self.rest = "";
                    return Err("a quotation mark is not closed".to_owned());
                };
                self.line += part.matches('\n').count();
                field.push_str(part);
                self.rest = rest;
                let Some(rest) = rest.strip_prefix('"') else {
                    break;
                };
                field.push('"');
                self.rest = rest;
            }
        }
        let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
        let (more, rest) = self.rest.split_at(end);
        let more = more.strip_suffix('\r').unwrap_or(more);
        field.push_str(more);
        let is_last = !rest.starts_with(',');
        self.line += usize::from(rest.starts_with('\n'));
        self.rest = rest.get(1..).unwrap_or_default();
        Ok((field, is_last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(address: &str) -> Row {
        Row {
            address: address.to_owned(),
            ..Row::default()
        }
    }

    #[test]
    fn columns_come_in_any_order_and_fields_may_be_quoted() {
        let text = "\u{feff}Display_Name,address,aliases,quota,active,external_id\r\n\
                    \"Smith, \"\"Al\"\"\",a@x.test,\"b@x.test c@x.test\",5,TRUE,s-1\r\n\
                    ,,,,,\r\n\
                    ,d@x.test,,,false,";
        let alice = Row {
            display_name: Some("Smith, \"Al\"".to_owned()),
            external_id: Some("s-1".to_owned()),
            aliases: vec!["b@x.test".to_owned(), "c@x.test".to_owned()],
            quota: Some(5),
            ..row("a@x.test")
        };
        let disabled = Row {
            is_disabled: true,
            ..row("d@x.test")
        };
        let read = read(text).unwrap();
        assert_eq!(read, [(2, Ok(alice)), (4, Ok(disabled))]);
    }

    #[test]
    fn a_row_that_is_none_says_where_it_is_and_why() {
        let text = "address,quota,active\na@x.test,1\n\"b\nc\",x,\nd@x.test,,yes\ne@x.test,,\n\"f";
        let read = read(text).unwrap();
        let told: Vec<_> = read
            .iter()
            .map(|(line, row)| {
                (
                    *line,
                    row.as_ref().map_or_else(|why| &**why, |row| &row.address),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (2, "it has 2 fields, and the first line 3"),
                (3, "its quota is no number of bytes"),
                (5, "active is neither \"true\" nor \"false\""),
                (6, "e@x.test"),
                (7, "a quotation mark is not closed"),
            ]
        );
    }

    #[test]
    fn a_first_line_that_names_other_columns_is_refused() {
        for (text, expected) in [
            ("", "it is empty"),
            ("a@x.test\n", "there is no column \"a@x.test\""),
            ("address,password\n", "there is no column \"password\""),
            ("quota,active\n", "names no column \"address\""),
            ("address,Address\n", "is there twice"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
