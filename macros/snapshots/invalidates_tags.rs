pub async fn set_price(
    db: &Db,
    tenant: u64,
    id: u64,
    price: Price,
) -> Result<(), DbError> {
    use ::cached_aside::__private as __aside;
    static __WRITE: __aside::WriteFunction = __aside::WriteFunction::declare(
            ::core::module_path!(),
            "set_price",
        )
        .targets(
            &[
                __aside::Target::Function({
                    use ::cached_aside::__private::not_cached::Of2 as __named;
                    {
                        use self::price as __named;
                        <__named as ::cached_aside::__private::Companion>::function
                    }
                }),
                __aside::Target::Tag(__aside::TagName::Template("tenant:{tenant}")),
                __aside::Target::Tag(__aside::TagName::Declared("catalog")),
            ],
        );
    ::cached_aside::__private::inventory::submit! {
        ::cached_aside::__private::LinkedWrite(& __WRITE)
    }
    let __keys = [
        __aside::any_key({
            use ::cached_aside::__private::not_cached::Of2 as __named;
            {
                use self::price as __named;
                <__named>::key(tenant, id)
            }
        }),
        __aside::KeyWriter::new("#tenant:").integer(tenant).finish(),
        <__aside::AnyKey as ::core::convert::From<
            _,
        >>::from(__aside::tag(catalog(tenant))),
    ];
    let __body = ::core::pin::pin!(
        async move { if let ::core::option::Option::Some(__never) =
        ::core::option::Option::None:: < Result < (), DbError > > { return __never; } db
        .set_price(tenant, id, price). await }
    );
    let __returned = __aside::write(&__WRITE, __keys, __body).await;
    __returned
}
