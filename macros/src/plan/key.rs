//! What a key is made of, once every name in its template has been found.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{GenericParam, Ident, Index, LitStr, Member, ext::IdentExt};

use crate::{
    item::function::{Function, Parameter},
    parse::{
        each::Each,
        template::{Format, Mistake, Part, Placeholder, Template},
    },
    plan::{mistyped, of_macro, pattern, unwritable},
    problem::{Problems, nearest, one_of},
    tokens::{mentions, same},
};

/// A key: what it starts with, and what follows.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) start: Text,
    pub(crate) pieces: Vec<Piece>,
}

/// A piece of a key.
#[derive(Clone)]
pub(crate) enum Piece {
    /// Written by the attribute.
    Literal(String),
    /// Known when compiling, and copied as it is.
    Verbatim(Text),
    /// An argument.
    Value(Value),
}

/// A text that is known when compiling.
#[derive(Clone)]
pub(crate) enum Text {
    Written(LitStr),
    /// The name of a type, or of a function's companions.
    TypeName(Ident),
    /// A prefix and a suffix around the path of the module.
    InModule(&'static str, String),
}

/// A value in a key.
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) source: Source,
    pub(crate) of: ValueOf,
    pub(crate) format: ValueFormat,
    /// What of its type allows to write it.
    pub(crate) bound: Bound,
    /// Where it is shown when it can't be written.
    pub(crate) span: Span,
}

/// What is written into a key.
#[derive(Clone)]
pub(crate) enum ValueOf {
    /// `user.id`; the root alone without fields.
    Field { root: Ident, fields: Vec<Member> },
    /// The name of a type.
    TypeName(Ident),
}

/// How a value is written.
#[derive(Debug, Clone)]
pub(crate) enum ValueFormat {
    /// As a template says.
    Template(Format),
    /// An integer as it is: no formatting is needed for that.
    Integer,
    /// By `KeyPart`: the derived key.
    Derived,
}

/// What is asked of a value's type: all of them ask for `Display`, and say other things where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    OfRead,
    OfWrite,
    /// The type is a parameter of the function, whose bounds have to say it.
    Generic,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The parameter of this number.
    Parameter(usize),
    /// The name of a type, or the value of a const parameter.
    Generic,
    /// The result of the function.
    Result,
    /// The item of a list.
    Item,
    /// A variable of the program.
    Variable,
}

impl Key {
    /// The key of a template; every name that isn't one is a problem.
    pub(crate) fn of(
        template: &Template,
        function: &Function,
        scope: Scope,
        problems: &mut Problems,
    ) -> Option<Key> {
        let mut pieces = Vec::new();
        let mut complete = true;
        for part in &template.parts {
            match part {
                Part::Literal(text) => pieces.push(Piece::Literal(text.clone())),
                Part::Placeholder(placeholder) => {
                    match resolve(placeholder, &template.literal, function, scope) {
                        Ok(value) => {
                            pieces.push(Piece::Value(value));
                            if placeholder.name == "Self" {
                                pieces.extend(of_trait(template, function));
                            }
                        }
                        Err(mistake) => {
                            problems.push(mistake.at(&template.literal));
                            complete = false;
                        }
                    }
                }
            }
        }
        let sign = if template.is_tag { "#" } else { "" };
        let start = match pieces.first() {
            Some(Piece::Literal(text)) => {
                let text = LitStr::new(&format!("{sign}{text}"), template.literal.span());
                pieces.remove(0);
                Text::Written(text)
            }
            _ => Text::written(sign),
        };
        complete.then_some(Key { start, pieces })
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value(value) => Some(value),
            _ => None,
        })
    }

    /// Whether the key uses the parameter of this number.
    pub(crate) fn uses(&self, parameter: usize) -> bool {
        self.values().any(|value| value.source == Source::Parameter(parameter))
    }
}

impl Text {
    /// A text that is not in the program.
    pub(crate) fn written(text: &str) -> Text {
        Text::Written(LitStr::new(text, Span::call_site()))
    }

    pub(crate) fn name_of_self() -> Text {
        Text::TypeName(Ident::new("Self", Span::call_site()))
    }
}

impl ValueOf {
    /// A variable, or a constant.
    pub(crate) fn name(name: &Ident) -> ValueOf {
        ValueOf::Field { root: name.clone(), fields: vec![] }
    }

    /// Whether it is a part of a variable.
    pub(crate) fn has_fields(&self) -> bool {
        matches!(self, ValueOf::Field { fields, .. } if !fields.is_empty())
    }

    /// The parameter or type that it begins with.
    pub(crate) fn root(&self) -> &Ident {
        match self {
            ValueOf::Field { root, .. } | ValueOf::TypeName(root) => root,
        }
    }
}

impl Value {
    /// An argument of a derived key.
    pub(crate) fn derived(number: usize, name: &Ident, parameter: &Parameter) -> Value {
        let format = if parameter.is_integer() { ValueFormat::Integer } else { ValueFormat::Derived };
        Value {
            source: Source::Parameter(number),
            of: ValueOf::name(name),
            format,
            bound: Bound::OfRead,
            span: name.span(),
        }
    }

    /// The name of a type parameter, or the value of a const parameter.
    pub(crate) fn generic(parameter: &GenericParam) -> Option<Value> {
        match parameter {
            GenericParam::Type(parameter) => Some(Value::type_name(&parameter.ident, parameter.ident.span())),
            GenericParam::Const(parameter) => Some(Value::constant(&parameter.ident, parameter.ident.span())),
            GenericParam::Lifetime(_) => None,
        }
    }

    /// The format of a value that is already as the key has it.
    pub(crate) fn plain() -> ValueFormat {
        ValueFormat::Template(Format::Plain)
    }

    fn type_name(ty: &Ident, span: Span) -> Value {
        let of = ValueOf::TypeName(ty.clone());
        Value { source: Source::Generic, of, format: Value::plain(), bound: Bound::OfRead, span }
    }

    fn constant(name: &Ident, span: Span) -> Value {
        let format = Value::plain();
        Value { source: Source::Generic, of: ValueOf::name(name), format, bound: Bound::OfRead, span }
    }
}

/// The parameters of a trait, which `{Self}` writes as well: one type may have the trait several times.
fn of_trait(template: &Template, function: &Function) -> impl Iterator<Item = Piece> {
    let self_ty = function.implementation().map(|item| item.self_ty.to_token_stream()).unwrap_or_default();
    let is_said = move |name: &Ident| {
        let name = name.to_string();
        mentions(&self_ty, &name) || template.placeholders().any(|placeholder| placeholder.name == name)
    };
    let unsaid = function.parameters_around().filter(move |parameter| match parameter {
        GenericParam::Type(parameter) => !is_said(&parameter.ident),
        GenericParam::Const(parameter) => !is_said(&parameter.ident),
        GenericParam::Lifetime(_) => false,
    });
    unsaid.filter_map(Value::generic).flat_map(|value| [Piece::Literal(":".into()), Piece::Value(value)])
}

/// What a template can name besides parameters.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'a> {
    Arguments,
    /// Also `result`, and what its `for` binds.
    OfWrite(Option<&'a Each>),
    /// Whatever is a variable there, and what its `for` binds.
    Expression(Option<&'a Each>),
}

impl<'a> Scope<'a> {
    /// What is asked of the values' types.
    fn bound(self) -> Bound {
        if self.is_read() { Bound::OfRead } else { Bound::OfWrite }
    }

    fn is_read(self) -> bool {
        matches!(self, Scope::Arguments)
    }

    fn each(self) -> Option<&'a Each> {
        match self {
            Scope::Arguments => None,
            Scope::OfWrite(each) | Scope::Expression(each) => each,
        }
    }

    /// What a `for` binds.
    fn items(self) -> Vec<Ident> {
        self.each().map(Each::names).unwrap_or_default()
    }
}

/// What a placeholder names.
fn resolve(
    placeholder: &Placeholder,
    literal: &LitStr,
    function: &Function,
    scope: Scope,
) -> Result<Value, Mistake> {
    if let Some((field, why)) = mistyped::field(placeholder, function, scope.each()) {
        let before = placeholder.fields[..field].iter().map(|field| field.len() + 1);
        let at = placeholder.at + placeholder.name.len() + 1 + before.sum::<usize>();
        return Err(Mistake { at, why });
    }
    match variable(placeholder, literal, scope) {
        Some(variable) => variable,
        None => resolve_in_function(placeholder, literal, function, scope),
    }
}

/// The item of a list, or whatever is a variable around an expression.
fn variable(placeholder: &Placeholder, literal: &LitStr, scope: Scope) -> Option<Result<Value, Mistake>> {
    let (name, span) = (placeholder.name.as_str(), literal.span());
    let mistake = |why: String| Mistake { at: placeholder.at, why };
    let (root, source) = match scope.items().into_iter().find(|item| same(item, name)) {
        Some(item) => (Some(item), Source::Item),
        None if matches!(scope, Scope::Expression(_)) => {
            let root = match name {
                "Self" => None,
                "self" => Some(Ident::new("self", span)),
                name => field_name(name, span),
            };
            (root, Source::Variable)
        }
        None => return None,
    };
    let format = ValueFormat::Template(placeholder.format.clone());
    let of = root
        .ok_or_else(|| format!("`{name}` is not the name of a variable"))
        .and_then(|root| path(&root, &placeholder.fields, span));
    let bound = Bound::OfWrite;
    Some(of.map(|of| Value { source, of, format, bound, span }).map_err(mistake))
}

/// What it names of the function.
fn resolve_in_function(
    placeholder: &Placeholder,
    literal: &LitStr,
    function: &Function,
    scope: Scope,
) -> Result<Value, Mistake> {
    let mistake = |why: String| Mistake { at: placeholder.at, why };
    let name = placeholder.name.as_str();
    let span = literal.span();
    let parameter = function.parameters.iter().enumerate().find(|(_, parameter)| parameter.binds(name));
    if let Some((number, parameter)) = parameter {
        return of_parameter(placeholder, literal, function, scope, (number, parameter));
    }
    let has_result = !scope.is_read();
    if name == "result" && has_result {
        let format = ValueFormat::Template(placeholder.format.clone());
        let of = path(&Ident::new("result", span), &placeholder.fields, span).map_err(mistake)?;
        return Ok(Value { source: Source::Result, of, format, bound: scope.bound(), span });
    }
    let generic = function.generic_parameters().find_map(|parameter| match parameter {
        GenericParam::Type(parameter) if same(&parameter.ident, name) => {
            Some(Value::type_name(&parameter.ident, located(&parameter.ident, span).span()))
        }
        GenericParam::Const(parameter) if same(&parameter.ident, name) => {
            Some(Value::constant(&located(&parameter.ident, span), span))
        }
        _ => None,
    });
    let generic = match generic {
        None if name == "Self" && function.context.has_self_type() => {
            Some(Value::type_name(&Ident::new("Self", function.sig.fn_token.span), span))
        }
        generic => generic,
    };
    match generic {
        Some(value) if placeholder.fields.is_empty() && placeholder.format == Format::Plain => Ok(value),
        Some(_) => Err(mistake(format!("`{name}` has neither fields nor a format here; write `{{{name}}}`"))),
        None => {
            let named = function.parameters.iter().filter_map(|parameter| parameter.name.as_ref());
            let (result, items) = (has_result.then(|| Ident::new("result", span)), scope.items());
            let all = items.iter().chain(named).chain(&result);
            Err(mistake(of_macro::may_be_meant(name, function).unwrap_or_else(|| not_a_parameter(name, all))))
        }
    }
}

/// What it names of a parameter.
fn of_parameter(
    placeholder: &Placeholder,
    literal: &LitStr,
    function: &Function,
    scope: Scope,
    (number, parameter): (usize, &Parameter),
) -> Result<Value, Mistake> {
    let mistake = |why: String| Mistake { at: placeholder.at, why };
    let (name, span, fields) = (placeholder.name.as_str(), literal.span(), placeholder.fields.as_slice());
    // Of `post @ Post { author, .. }` the author is a part as well.
    let Some(ident) = parameter.name.as_ref().filter(|ident| same(ident, name)) else {
        return Err(mistake(pattern::in_template(parameter, name, fields)));
    };
    if parameter.is_self() && fields.is_empty() {
        let why = "`self` as a whole can't be written into a key; write a field, such as `{self.tenant}`";
        return Err(mistake(why.into()));
    }
    if !scope.is_read()
        && fields.is_empty()
        && let Some(why) = unwritable::in_write(placeholder, literal, parameter, function, &scope.items())
    {
        return Err(mistake(why));
    }
    // A whole parameter is shown where it is declared: a template shows only itself.
    let of = match fields {
        [] => ValueOf::name(ident),
        fields => path(ident, fields, span).map_err(mistake)?,
    };
    let whole = fields.is_empty() && placeholder.format == Format::Plain;
    let format = if whole && parameter.is_integer() {
        ValueFormat::Integer
    } else {
        ValueFormat::Template(placeholder.format.clone())
    };
    let is_generic = fields.is_empty() && unwritable::has_generic_type(parameter, function);
    let bound = if is_generic { Bound::Generic } else { scope.bound() };
    Ok(Value { source: Source::Parameter(number), of, format, bound, span })
}

/// That the function has no parameter of this name, and which names there are.
pub(super) fn not_a_parameter<'a>(name: &str, names: impl Iterator<Item = &'a Ident>) -> String {
    let names: Vec<String> = names.map(ToString::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("`{name}` is not a parameter of this function; did you mean `{near}`?"),
        None if names.is_empty() => format!("`{name}` is not a parameter of this function, which has none"),
        None => format!("`{name}` is not a parameter of this function; expected {}", one_of(&names)),
    }
}

/// `user.id`, shown where the template is.
fn path(root: &Ident, fields: &[String], span: Span) -> Result<ValueOf, String> {
    // Otherwise the compiler would suggest to replace the whole template by the name of a field.
    let generated = Span::mixed_site().located_at(span);
    let field = |field: &String| match field.parse::<u32>() {
        Ok(index) => Ok(Member::Unnamed(Index { index, span })),
        Err(_) => field_name(field, generated)
            .map(Member::Named)
            .ok_or_else(|| format!("`{field}` is not the name of a field")),
    };
    let fields = fields.iter().map(field).collect::<Result<_, _>>()?;
    Ok(ValueOf::Field { root: located(root, span), fields })
}

fn field_name(text: &str, span: Span) -> Option<Ident> {
    let mut name = match syn::parse_str::<Ident>(text) {
        Ok(name) => name,
        // A field may be called like a keyword.
        Err(_) => {
            let keyword = syn::parse::Parser::parse_str(Ident::parse_any, text).ok()?;
            if matches!(text, "self" | "Self" | "super" | "crate") {
                return None;
            }
            Ident::new_raw(&keyword.unraw().to_string(), span)
        }
    };
    name.set_span(span);
    Some(name)
}

/// The same name, meaning the same thing, but shown elsewhere.
fn located(name: &Ident, at: Span) -> Ident {
    let mut name = name.clone();
    name.set_span(name.span().located_at(at));
    name
}
