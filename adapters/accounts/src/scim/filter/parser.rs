//! Reads filters, and the filters inside of paths.

use super::{Comparison, Expression, Operand, Operator, invalid, is_members};
use crate::scim::attribute::{Name, Named, is_in_name, resolve};
use crate::scim::limits::{MAX_FILTER, MAX_FILTER_DEPTH, MAX_FILTER_TERMS};
use crate::scim::refusal::{Refusal, quoted};
use crate::scim::schema::{Attribute, ResourceType, Type};

/// Reads a filter from its beginning.
pub(crate) struct Parser<'t> {
    resource_type: &'static ResourceType,
    /// The attribute whose elements the filter is about, inside of brackets.
    inside: Option<&'static Attribute>,
    /// What is not read yet.
    rest: &'t str,
    terms: usize,
    depth: usize,
}

/// A value as it is written.
struct Literal<'t> {
    text: std::borrow::Cow<'t, str>,
    is_quoted: bool,
}

impl<'t> Parser<'t> {
    pub(crate) fn new(
        resource_type: &'static ResourceType,
        text: &'t str,
    ) -> Result<Self, Refusal> {
        if text.len() > MAX_FILTER {
            return Err(invalid(format!(
                "a filter or path is longer than {MAX_FILTER} bytes"
            )));
        }
        Ok(Self {
            resource_type,
            inside: None,
            rest: text,
            terms: 0,
            depth: 0,
        })
    }

    /// What must be the end.
    pub(crate) fn end(&mut self) -> Result<(), Refusal> {
        self.skip_blanks();
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.unexpected("the end"))
    }

    // FILTER = and *("or" and)
    pub(crate) fn expression(&mut self) -> Result<Expression, Refusal> {
        let mut any = vec![self.all()?];
        while self.keyword("or") {
            any.push(self.all()?);
        }
        Ok(one_or(any, Expression::Or))
    }

    fn all(&mut self) -> Result<Expression, Refusal> {
        let mut all = vec![self.term()?];
        while self.keyword("and") {
            all.push(self.term()?);
        }
        Ok(one_or(all, Expression::And))
    }

    // term = ["not"] "(" FILTER ")" / attrExp / valuePath
    fn term(&mut self) -> Result<Expression, Refusal> {
        self.terms += 1;
        if self.terms > MAX_FILTER_TERMS {
            return Err(invalid(format!(
                "a filter has more than {MAX_FILTER_TERMS} terms"
            )));
        }
        if self.is_not() {
            let inner = self.bracketed('(', ')')?;
            return Ok(Expression::Not(Box::new(inner)));
        }
        self.skip_blanks();
        if self.rest.starts_with('(') {
            return self.bracketed('(', ')');
        }
        let named = self.name()?;
        if self.rest.starts_with('[') {
            return self.value_path(named);
        }
        self.comparison(named)
    }

    /// Takes `not`, if a parenthesis follows.
    fn is_not(&mut self) -> bool {
        let before = self.rest;
        if self.keyword("not") {
            self.skip_blanks();
            if self.rest.starts_with('(') {
                return true;
            }
        }
        self.rest = before;
        false
    }

    /// A filter in brackets.
    fn bracketed(&mut self, open: char, close: char) -> Result<Expression, Refusal> {
        if !self.eat(open) {
            return Err(self.unexpected("an opening bracket"));
        }
        self.depth += 1;
        if self.depth > MAX_FILTER_DEPTH {
            return Err(invalid(format!(
                "a filter is nested more than {MAX_FILTER_DEPTH} levels deep"
            )));
        }
        let expression = self.expression()?;
        self.depth -= 1;
        if !self.eat(close) {
            return Err(self.unexpected("a closing bracket"));
        }
        Ok(expression)
    }

    /// The name that comes next, and what it names.
    pub(crate) fn name(&mut self) -> Result<Named, Refusal> {
        self.skip_blanks();
        let end = self.rest.bytes().position(|c| !is_in_name(c));
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        // What is called in no schema of ours is passed over, but only if it can be a name.
        if name.is_empty() || name.ends_with([':', '.']) {
            return Err(self.unexpected("the name of an attribute"));
        }
        self.rest = rest;
        let Some(inside) = self.inside else {
            return Ok(resolve(self.resource_type, name));
        };
        Ok(match inside.part(name) {
            Some(attribute) => Named::Attribute(Name {
                extension: None,
                attribute,
                part: None,
            }),
            None => Named::Unknown,
        })
    }

    // valuePath = attrPath "[" FILTER "]" ["." subAttr SP compareOp SP compValue]
    fn value_path(&mut self, named: Named) -> Result<Expression, Refusal> {
        let expression = self.elements(&named)?;
        let Named::Attribute(name) = named else {
            return Ok(Expression::Nothing);
        };
        if !self.rest.starts_with('.') {
            return Ok(Expression::Element(name, Box::new(expression)));
        }
        // As Entra writes: emails[type eq "work"].value eq "a@b" is about one element.
        let Some(part) = self.part(&name)? else {
            return Ok(Expression::Nothing);
        };
        let part = Name {
            extension: None,
            attribute: part,
            part: None,
        };
        let compared = self.comparison(Named::Attribute(part))?;
        let both = Expression::And(vec![expression, compared]);
        Ok(Expression::Element(name, Box::new(both)))
    }

    /// The filter in brackets that follows the name of an attribute.
    pub(crate) fn elements(&mut self, named: &Named) -> Result<Expression, Refusal> {
        let attribute = match named {
            Named::Attribute(name) if name.part.is_none() => Some(name.attribute),
            Named::Attribute(_) | Named::Extension(_) => {
                return Err(invalid(
                    "brackets follow an attribute that has several values",
                ));
            }
            Named::Foreign | Named::Unknown => None,
        };
        if self.inside.is_some() {
            return Err(invalid("brackets inside of brackets"));
        }
        // Of an attribute that is not known every part is as little known.
        self.inside = attribute.or(Some(&NOTHING));
        let expression = self.bracketed('[', ']');
        self.inside = None;
        expression
    }

    /// `.part` behind a bracket; `None` if the attribute has none of that name.
    pub(crate) fn part(&mut self, name: &Name) -> Result<Option<&'static Attribute>, Refusal> {
        self.eat('.');
        let end = self.rest.bytes().position(|c| !is_in_name(c));
        let (part, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if part.is_empty() {
            return Err(self.unexpected("the name of a part"));
        }
        self.rest = rest;
        Ok(name.attribute.part(part))
    }

    // attrExp = (attrPath SP "pr") / (attrPath SP compareOp SP compValue)
    fn comparison(&mut self, named: Named) -> Result<Expression, Refusal> {
        let name = match named {
            Named::Attribute(name) => Some(name),
            Named::Extension(_) | Named::Foreign | Named::Unknown => None,
        };
        let members = self.inside.or(name.map(|name| name.attribute));
        let is_of_members = members.is_some_and(is_members);
        if self.keyword("pr") {
            if is_of_members {
                return Err(only_by_id());
            }
            return Ok(name.map_or(Expression::Nothing, Expression::Present));
        }
        let operator = self.operator()?;
        let literal = self.literal()?;
        let Some(name) = name else {
            return Ok(Expression::Nothing);
        };
        let last = name.last();
        let compared = match last.value {
            Type::Complex => last.part("value").unwrap_or(last),
            _ => last,
        };
        if is_of_members && (operator != Operator::Equal || compared.name != "value") {
            return Err(only_by_id());
        }
        let operand = Operand::new(compared, &literal.text, literal.is_quoted)?;
        if !operand.can(operator) {
            return Err(invalid(format!(
                "{} has no such order or parts",
                name.attribute.name
            )));
        }
        Ok(Expression::Compare(Comparison {
            name,
            operator,
            operand,
        }))
    }

    fn operator(&mut self) -> Result<Operator, Refusal> {
        let operators = [
            ("eq", Operator::Equal),
            ("ne", Operator::NotEqual),
            ("co", Operator::Contains),
            ("sw", Operator::StartsWith),
            ("ew", Operator::EndsWith),
            ("gt", Operator::Greater),
            ("ge", Operator::GreaterOrEqual),
            ("lt", Operator::Less),
            ("le", Operator::LessOrEqual),
        ];
        let mut operators = operators.into_iter();
        let found = operators.find(|(word, _)| self.keyword(word));
        found
            .map(|(_, operator)| operator)
            .ok_or_else(|| self.unexpected("an operator such as eq"))
    }

    /// A value: JSON, or text without quotes up to `and`, `or`, a bracket or the end.
    fn literal(&mut self) -> Result<Literal<'t>, Refusal> {
        self.skip_blanks();
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        // A name may have pairs of parentheses: a single one would be another's inside of others.
        let is_inside = self.depth > 0;
        let mut opened = 0_usize;
        let mut is_end = |c| match c {
            ')' if opened > 0 => {
                opened -= 1;
                false
            }
            ' ' | '"' | ')' => true,
            ']' => is_inside,
            c => {
                opened += usize::from(c == '(');
                false
            }
        };
        let mut end = 0;
        let text = self.rest;
        loop {
            let behind = text.get(end..).unwrap_or_default();
            let blanks = behind.len() - behind.trim_start_matches(' ').len();
            let word = behind.get(blanks..).unwrap_or_default();
            let length = word.find(&mut is_end).unwrap_or(word.len());
            let word = word.get(..length).unwrap_or_default();
            let is_and_or = word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or");
            if word.is_empty() || end > 0 && is_and_or {
                break;
            }
            end += blanks + length;
        }
        let (value, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        if value.is_empty() || opened > 0 {
            return Err(self.unexpected("a value, with its parentheses in quotes,"));
        }
        self.rest = rest;
        Ok(Literal {
            text: value.into(),
            is_quoted: false,
        })
    }

    /// A JSON string.
    fn quoted(&mut self) -> Result<Literal<'t>, Refusal> {
        let mut is_escaped = false;
        let end = self.rest.bytes().skip(1).position(|c| {
            let is_end = c == b'"' && !is_escaped;
            is_escaped = c == b'\\' && !is_escaped;
            is_end
        });
        let text = end.and_then(|end| self.rest.split_at_checked(end + 2));
        let (text, rest) = text.ok_or_else(|| invalid("a text in quotes does not end"))?;
        let text: String = serde_json::from_str(text)
            .map_err(|_| invalid(format!("{} is not a JSON string", quoted(text))))?;
        self.rest = rest;
        Ok(Literal {
            text: text.into(),
            is_quoted: true,
        })
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn eat(&mut self, c: char) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes `word`, in any case, if it comes next and is a whole word.
    fn keyword(&mut self, word: &str) -> bool {
        self.skip_blanks();
        let Some((start, rest)) = self.rest.split_at_checked(word.len()) else {
            return false;
        };
        let is_whole = !rest.bytes().next().is_some_and(is_in_name);
        let is_it = is_whole && start.eq_ignore_ascii_case(word);
        if is_it {
            self.rest = rest;
        }
        is_it
    }

    pub(crate) fn rest(&self) -> &'t str {
        self.rest
    }

    fn unexpected(&self, wanted: &str) -> Refusal {
        if self.rest.is_empty() {
            return invalid(format!("the filter ends where {wanted} should be"));
        }
        invalid(format!("{} is where {wanted} should be", quoted(self.rest)))
    }
}

/// An attribute without parts.
static NOTHING: Attribute = Attribute::NOTHING;

fn one_or(mut several: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match (several.pop(), several.is_empty()) {
        (Some(one), true) => one,
        (Some(last), false) => {
            several.push(last);
            join(several)
        }
        (None, _) => Expression::Nothing,
    }
}

fn only_by_id() -> Refusal {
    invalid("members are looked for by value eq and an id only")
}
