use super::*;

#[test]
fn nothing_generic_is_left() {
    let item = parse_quote! {
        async fn f<'a, T: Iterator, const N: usize, const B: bool>() {}
    };
    let around = parse_quote!(
        impl<U> Repo<U> {}
    );
    let function = Function::at(item, Context::Inherent(Some(Box::new(around))));
    for (written, expected) in [
        ("Result<User, Error>", "Result<User,Error>"),
        ("Result<Option<T>, T::Error>", "Result<Option<()>,()>"),
        ("Option<<T as Iterator>::Item>", "Option<()>"),
        ("my::Result<Page<U>>", "my::Result<Page<()>>"),
        ("Result<Self, Self::Error>", "Result<(),()>"),
        ("Result<[u8; N], Flag<B, N>>", "Result<[u8;0],Flag<false,0>>"),
        ("Result<Page<T>, Error>", "Result<(),Error>"),
        ("Result<Option<Page<T>>, <Page<T> as Load>::Error>", "Result<Option<()>,()>"),
        ("Alias<T>", "()"),
        ("Alias<U, T>", "()"),
        ("Alias<U>", "Alias<()>"),
        ("(T, U)", "()"),
        ("Result<&'a str, &str>", "Result<&'staticstr,&'staticstr>"),
        ("Cow<'_, str>", "Cow<'static,str>"),
        ("Box<dyn Fn(U) -> U>", "Box<dynFn(())->()>"),
        ("()", "()"),
    ] {
        let ty = syn::parse_str(written).unwrap();
        let shape = without_parameters(&ty, &function).to_token_stream().to_string().replace(' ', "");
        assert_eq!(shape, expected, "{written}");
    }
}

#[test]
fn self_is_written_out_where_it_is_known() {
    for (around, written, expected) in [
        ("impl User {}", "Result<Page<Self>, Error>", "Result<Page<User>,Error>"),
        ("impl Store<[u8; 32]> {}", "Option<Self>", "Option<Store<[u8;32]>>"),
        ("impl Entity for a::User<'_> {}", "Page<Self::Of>", "Page<<a::User<'static>asEntity>::Of>"),
        ("impl Entity for User {}", "Vec<<Self as Entity>::Of>", "Vec<<UserasEntity>::Of>"),
        ("impl<T> Repo<T> {}", "Result<Page<Self>, Error>", "Result<Page<()>,Error>"),
        ("impl __of_macro_t {}", "Option<Self>", "Option<()>"),
    ] {
        let around: ItemImpl = syn::parse_str(around).unwrap();
        let context = match around.trait_ {
            Some(_) => Context::TraitImpl(Some(Box::new(around))),
            None => Context::Inherent(Some(Box::new(around))),
        };
        let item = parse_quote!(
            async fn f() {}
        );
        let function = Function::at(item, context);
        let ty = without_parameters(&syn::parse_str(written).unwrap(), &function);
        assert_eq!(ty.to_token_stream().to_string().replace(' ', ""), expected, "{written}");
    }
}

#[test]
fn what_self_projects_to_is_looked_up_where_it_can_be() {
    let answer: Type = parse_quote!(Self::Answer);
    for (around, shape) in [
        ("impl<'a> Load<'a> for Repo<'a> {}", Some("<Repo<'static>asLoad<'static>>::Answer")),
        ("impl<T> Load for Repo<T> {}", None),
        ("impl __of_macro_t for Repo {}", None),
        ("impl Repo {}", None),
    ] {
        let around = syn::parse_str(around).unwrap();
        let function = Function::at(
            parse_quote!(
                async fn f() {}
            ),
            Context::TraitImpl(Some(Box::new(around))),
        );
        assert_eq!(is_unknown(&answer, &function), shape.is_none());
        if let Some(shape) = shape {
            let found = without_parameters(&answer, &function).to_token_stream().to_string().replace(' ', "");
            assert_eq!(found, shape);
        }
    }
}

#[test]
fn lifetimes_are_seen() {
    for (written, expected) in [
        ("Result<User, E>", false),
        ("&str", true),
        ("Cow<'_, str>", true),
        ("Vec<&'static str>", false),
        ("Arc<dyn Fn(&str, Cow<'_, str>) -> &u8>", false),
        ("fn(&str) -> u8", false),
        ("Box<dyn for<'a> Fn(&'a str) -> &'a str>", false),
        ("fn(&'a str)", true),
        ("Arc<dyn Fn(&str) + 'a>", true),
    ] {
        assert_eq!(has_lifetimes(&syn::parse_str(written).unwrap()), expected, "{written}");
    }
}
