//! `tags("tenant:{tenant}", catalog(tenant))`, and what `tags!` declares.

use quote::ToTokens;
use syn::{
    Attribute, Expr, ExprCall, FnArg, Generics, Ident, LitStr, Path, Token, Visibility, parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    spanned::Spanned,
};

use super::{each::Each, library::library, list::each, template::Template};
use crate::{
    problem::Problems,
    tokens::{mention_of, same, ungrouped},
};

/// Maximum number of tags of an entry.
const MOST: usize = 16;

const HOW: &str = "name a tag by a template, such as `\"tenant:{tenant}\"`, or by the call of one that `cached_aside::tags!` declares, \
     such as `catalog(tenant)`";

/// A tag that an attribute names.
pub(crate) enum Tag {
    Template(Template),
    Call(ExprCall),
}

impl Tag {
    /// Whether it is made of what is called this.
    pub(super) fn uses(&self, name: &Ident) -> bool {
        match self {
            Tag::Template(template) => template.placeholders().any(|value| same(name, &value.name)),
            Tag::Call(call) => mention_of(&call.args.to_token_stream(), name).is_some(),
        }
    }
}

/// The tags of an entry: what follows the name `tags`, one tag at least.
pub(super) fn tags(name: &Ident, input: ParseStream) -> syn::Result<Vec<Tag>> {
    let no_list = |input: ParseStream| {
        let why = "an entry carries the tags that are named here; `for` names those of a write";
        if input.peek(Token![for]) { Err(input.error(why)) } else { Ok(()) }
    };
    let tags = listed(name, input, |input| {
        no_list(input)?;
        let tag = tag(input)?;
        no_list(input)?;
        Ok(tag)
    })?;
    if tags.len() > MOST {
        let count = tags.len();
        let why =
            format!("{count} tags; an entry carries {MOST} at the most, since a hit reads each of them");
        return Err(syn::Error::new(name.span(), why));
    }
    Ok(tags)
}

/// The tags that a write names, each of which may be one for each item of a list.
pub(super) fn tags_of_write(name: &Ident, input: ParseStream) -> syn::Result<Vec<(Tag, Option<Each>)>> {
    listed(name, input, |input| {
        if input.peek(Token![for]) {
            return Err(input.error(
                "write the tag first, and the list behind it: `\"tenant:{tenant}\" for tenant in tenants`",
            ));
        }
        if let Ok(literal) = input.fork().parse::<LitStr>()
            && literal.value().ends_with('*')
        {
            let why = "a tag is named as entries carry it, and `*` finds none; give the entries one that all of them carry, and name that";
            input.parse::<LitStr>()?;
            return Err(syn::Error::new(literal.span(), why));
        }
        Ok((tag(input)?, Each::parse_behind(input)?))
    })
}

/// What is in the brackets behind the name `tags`.
fn listed<T>(
    name: &Ident,
    input: ParseStream,
    mut parse: impl FnMut(ParseStream) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    if !input.peek(syn::token::Paren) {
        let why = "`tags` takes a list: write `tags(\"tenant:{tenant}\", catalog(tenant))`";
        return Err(syn::Error::new(name.span(), why));
    }
    let content;
    parenthesized!(content in input);
    let (mut tags, mut problems) = (Vec::new(), Problems::default());
    each(content.parse()?, &mut problems, |input| {
        tags.push(parse(input)?);
        Ok(())
    });
    problems.finish()?;
    if tags.is_empty() {
        return Err(syn::Error::new(name.span(), format!("`tags` names none; {HOW}")));
    }
    Ok(tags)
}

fn tag(input: ParseStream) -> syn::Result<Tag> {
    if input.peek(LitStr) {
        return template(input.parse()?).map(Tag::Template);
    }
    match ungrouped(input.parse()?) {
        Expr::Call(call) if matches!(ungrouped((*call.func).clone()), Expr::Path(_)) => Ok(Tag::Call(call)),
        other => Err(syn::Error::new(other.span(), HOW)),
    }
}

/// A tag's name. Its key begins with a `#` that nobody writes.
fn template(literal: LitStr) -> syn::Result<Template> {
    let text = literal.value();
    if text.is_empty() {
        return Err(syn::Error::new(literal.span(), format!("an empty tag; {HOW}")));
    }
    if let Some(name) = text.strip_prefix('#') {
        let why = format!("a tag is written without the `#` that its key begins with: `\"{name}\"`");
        return Err(syn::Error::new(literal.span(), why));
    }
    Ok(Template { is_tag: true, ..Template::parse(literal)? })
}

/// What `tags!` declares.
pub(crate) struct Declarations {
    /// Where the library is found.
    pub(crate) root: Option<Path>,
    pub(crate) tags: Vec<Declaration>,
}

/// `pub fn catalog(tenant: TenantId) = "catalog:{tenant}";`
pub(crate) struct Declaration {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) fn_token: Token![fn],
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    pub(crate) parameters: Punctuated<FnArg, Token![,]>,
    pub(crate) template: Template,
}

impl Parse for Declarations {
    fn parse(input: ParseStream) -> syn::Result<Declarations> {
        let mut root = None;
        if input.peek(Token![crate]) && input.peek2(Token![=]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            root = Some(library(input)?);
            input.parse::<Token![;]>()?;
        }
        let mut tags = Vec::new();
        while !input.is_empty() {
            tags.push(input.parse()?);
        }
        Ok(Declarations { root, tags })
    }
}

impl Parse for Declaration {
    fn parse(input: ParseStream) -> syn::Result<Declaration> {
        const FORM: &str = "declare a tag as `pub fn catalog(tenant: TenantId) = \"catalog:{tenant}\";`";
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        if !input.peek(Token![fn]) {
            return Err(input.error(FORM));
        }
        let fn_token = input.parse()?;
        let name: Ident = input.parse()?;
        let mut generics: Generics = input.parse()?;
        let content;
        parenthesized!(content in input);
        let parameters = content.parse_terminated(FnArg::parse, Token![,])?;
        generics.where_clause = input.parse()?;
        if !input.peek(Token![=]) {
            return Err(input.error(FORM));
        }
        input.parse::<Token![=]>()?;
        if !input.peek(LitStr) {
            return Err(input.error(FORM));
        }
        let template = template(input.parse()?)?;
        input.parse::<Token![;]>()?;
        Ok(Declaration { attrs, vis, fn_token, name, generics, parameters, template })
    }
}

#[cfg(test)]
mod tests {
    use syn::parse::Parser;

    use super::*;

    fn parsed(written: &str) -> Result<usize, String> {
        let parser = |input: ParseStream| {
            let name: Ident = input.parse()?;
            tags(&name, input)
        };
        parser.parse_str(written).map(|tags| tags.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn tags_are_templates_and_calls() {
        assert_eq!(parsed(r#"tags("tenant:{tenant}", catalog(tenant), "all",)"#), Ok(3));
        let many = |count| format!("tags({})", vec!["a()"; count].join(", "));
        assert_eq!(parsed(&many(16)), Ok(16));
        for (written, why) in [
            (&*many(17), "17 tags; an entry carries 16 at the most"),
            ("tags", "takes a list"),
            ("tags = catalog()", "takes a list"),
            ("tags()", "names none"),
            ("tags(catalog)", "name a tag by a template"),
            ("tags(5)", "name a tag by a template"),
            ("tags(self.catalog(t))", "name a tag by a template"),
            (r##"tags("#all")"##, r#"written without the `#` that its key begins with: `"all"`"#),
            (r#"tags("")"#, "an empty tag"),
            (r#"tags("{a}{b}")"#, "run into the one before it"),
        ] {
            let error = parsed(written).unwrap_err();
            assert!(error.contains(why), "{written}: {error}");
        }
    }
}
