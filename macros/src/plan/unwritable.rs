//! Parameters whose value has no place in the key of a write, as far as their types show it.

use syn::{FnArg, GenericParam, Ident, LitStr, Type, TypePath};

use crate::{
    item::{
        beside::Beside,
        function::{Function, Parameter},
        types::{inside, without_references},
    },
    parse::template::{Format, Placeholder, Template},
};

/// Whether the parameter's type is a generic one, or a reference to it.
pub(super) fn has_generic_type(parameter: &Parameter, function: &Function) -> bool {
    let FnArg::Typed(typed) = &parameter.written else { return false };
    match without_references(&typed.ty) {
        Type::ImplTrait(_) => true,
        Type::Path(TypePath { qself: None, path, .. }) => path.get_ident().is_some_and(|name| {
            let mut generics = function.generic_parameters();
            generics.any(|generic| matches!(generic, GenericParam::Type(generic) if generic.ident == *name))
        }),
        _ => false,
    }
}

/// What to write instead of a placeholder that is the whole of such a parameter. With a format it may be the key that a cached function
/// has.
pub(super) fn in_write(
    placeholder: &Placeholder,
    literal: &LitStr,
    parameter: &Parameter,
    function: &Function,
    items: &[Ident],
) -> Option<String> {
    let FnArg::Typed(typed) = &parameter.written else { return None };
    let kind = Kind::of(&typed.ty).filter(|_| placeholder.format == Format::Plain)?;
    if Beside::of(function).is_some_and(|beside| kind.is_another(&beside)) {
        return None;
    }
    Some(kind.instead(placeholder, literal, items))
}

/// What to write instead of a `{result}` that is a list.
pub(super) fn list_in_result(output: &Type, template: &Template, function: &Function) -> Option<String> {
    let kind = Kind::of(inside(output, "Result").unwrap_or(output)).filter(|kind| *kind == Kind::List)?;
    let is_whole = |placeholder: &&Placeholder| {
        placeholder.name == "result" && placeholder.fields.is_empty() && placeholder.format == Format::Plain
    };
    let placeholder = template.placeholders().find(is_whole)?;
    if Beside::of(function).is_some_and(|beside| kind.is_another(&beside)) {
        return None;
    }
    Some(kind.instead(placeholder, &template.literal, &[]))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Option,
    List,
}

impl Kind {
    fn of(ty: &Type) -> Option<Kind> {
        let ty = without_references(ty);
        // Bytes are one value.
        let is_list = |of: &Type| !matches!(of, Type::Path(path) if path.path.is_ident("u8"));
        match ty {
            Type::Slice(slice) if is_list(&slice.elem) => Some(Kind::List),
            _ if inside(ty, "Option").is_some() => Some(Kind::Option),
            _ if inside(ty, "Vec").is_some_and(is_list) => Some(Kind::List),
            _ => None,
        }
    }

    /// Whether the file has a type of its own that is called so.
    fn is_another(self, beside: &Beside) -> bool {
        let name = match self {
            Kind::Option => "Option",
            Kind::List => "Vec",
        };
        beside.names_type(name)
    }

    fn instead(self, placeholder: &Placeholder, literal: &LitStr, items: &[Ident]) -> String {
        let name = &placeholder.name;
        match self {
            Kind::Option => format!(
                "`{name}` is an `Option`, and a template can't ask for what there is; name the call of the cached function, such as `load_user({name}?)`: the key is left \
                 out where there is none"
            ),
            Kind::List if items.is_empty() => {
                let item = item_of(name);
                let of_item = with_item(&literal.value(), placeholder, &item);
                format!(
                    "`{name}` is a list, and a template is one key; name the key of each: `\"{of_item}\" for {item} in {name}`"
                )
            }
            Kind::List => format!(
                "`{name}` is a list, and a template is one key, and one `for` is there already; make one list of the two before, such as `for (a, b) in \
                 &pairs`"
            ),
        }
    }
}

/// What an item of a list of this name is called.
fn item_of(list: &str) -> String {
    let name = list.strip_suffix('s').filter(|name| syn::parse_str::<Ident>(name).is_ok());
    name.unwrap_or("item").to_owned()
}

/// The template with an item in the place of its list.
fn with_item(text: &str, placeholder: &Placeholder, item: &str) -> String {
    let (before, after) = text.split_at(placeholder.at);
    let after = &after[after.find('}').unwrap_or(after.len())..];
    format!("{before}{item}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_options_are_known_by_their_types() {
        for (written, expected) in [
            ("Option<u64>", Some(Kind::Option)),
            ("&Option<&str>", Some(Kind::Option)),
            ("Vec<u64>", Some(Kind::List)),
            ("&[UserId]", Some(Kind::List)),
            ("&[u8]", None),
            ("Vec<u8>", None),
            ("[u64; 2]", None),
            ("u64", None),
        ] {
            assert_eq!(Kind::of(&syn::parse_str(written).unwrap()), expected, "{written}");
        }
    }

    #[test]
    fn an_item_is_called_after_its_list() {
        for (list, item) in
            [("ids", "id"), ("users", "user"), ("all", "item"), ("s", "item"), ("selfs", "item")]
        {
            assert_eq!(item_of(list), item);
        }
    }
}
