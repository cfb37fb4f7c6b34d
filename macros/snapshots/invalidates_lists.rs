pub async fn place(tenant: String, lines: &[Line]) -> Result<Order, Error> {
    use ::cached_aside::__private::{
        self as __aside, OptionalArgRef as _, NotOptional as _, ItemTarget as _,
        ItemCopy as _, ItemRef as _, LentTarget as _, NotLent as _,
    };
    static __WRITE: __aside::WriteFunction = __aside::WriteFunction::declare(
            ::core::module_path!(),
            "place",
        )
        .own_transaction()
        .targets(
            &[
                __aside::Target::Function({
                    use ::cached_aside::__private::not_cached::Of0 as __named;
                    {
                        use recent as __named;
                        <__named as ::cached_aside::__private::Companion>::function
                    }
                }),
                __aside::Target::Function({
                    use ::cached_aside::__private::not_cached::Of1 as __named;
                    {
                        use stock as __named;
                        <__named as ::cached_aside::__private::Companion>::function
                    }
                }),
                __aside::Target::Function({
                    use ::cached_aside::__private::not_cached::Of1 as __named;
                    {
                        use buyer as __named;
                        <__named as ::cached_aside::__private::Companion>::function
                    }
                }),
                __aside::Target::Function({
                    use ::cached_aside::__private::not_cached::Of2 as __named;
                    {
                        use order as __named;
                        <__named as ::cached_aside::__private::Companion>::function
                    }
                }),
            ],
        );
    ::cached_aside::__private::inventory::submit! {
        ::cached_aside::__private::LinkedWrite(& __WRITE)
    }
    let __keys = ::core::iter::Iterator::chain(
        ::core::iter::IntoIterator::into_iter([
            __aside::any_key({
                use ::cached_aside::__private::not_cached::Of0 as __named;
                {
                    use recent as __named;
                    <__named>::key()
                }
            }),
        ]),
        ::core::iter::Iterator::flatten(
            ::core::iter::IntoIterator::into_iter([
                __aside::keys_of_list(
                    (&__aside::Lent(&lines)).items(),
                    |__item| {
                        let line = __item;
                        let line = (&&__aside::Item(&line)).item();
                        ::core::option::Option::Some(
                            __aside::any_key({
                                use ::cached_aside::__private::not_cached::Of1 as __named;
                                {
                                    use stock as __named;
                                    <__named>::key(line.product)
                                }
                            }),
                        )
                    },
                ),
                __aside::keys_of_list(
                    ::core::iter::IntoIterator::into_iter(known(lines)),
                    |__item| {
                        let (buyer, _) = __item;
                        let buyer = (&&__aside::Item(&buyer)).item();
                        ::core::option::Option::Some(
                            __aside::any_key({
                                use ::cached_aside::__private::not_cached::Of1 as __named;
                                {
                                    use self::buyer as __named;
                                    <__named>::key((&__aside::OptionalArg(&buyer)).value()?)
                                }
                            }),
                        )
                    },
                ),
            ]),
        ),
    );
    let __argument0 = tenant.clone();
    let __body = ::core::pin::pin!(
        async move { if let ::core::option::Option::Some(__never) =
        ::core::option::Option::None:: < Result < Order, Error > > { return __never; }
        insert(tenant, lines). await }
    );
    let __returned = __aside::write_with(
            &__WRITE,
            ::core::option::Option::None,
            ::core::option::Option::None,
            __keys,
            __body,
            move |__returned| __aside::of_success::<
                _,
                {
                    use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
                    __Shape::<Result<Order, Error>>::OPTION
                        + __Shape::<Result<Order, Error>>::RESULT
                        + __Shape::<Result<Order, Error>>::RESULT_OPTION
                },
                _,
            >(
                __returned,
                |result| __aside::keys_of_list(
                    (&__aside::Lent(&result.lines)).items(),
                    |__item| {
                        let line = __item;
                        let line = (&&__aside::Item(&line)).item();
                        ::core::option::Option::Some(
                            __aside::any_key({
                                use ::cached_aside::__private::not_cached::Of2 as __named;
                                {
                                    use order as __named;
                                    <__named>::key(
                                        ::core::clone::Clone::clone(&__argument0),
                                        line.number,
                                    )
                                }
                            }),
                        )
                    },
                ),
            ),
        )
        .await;
    __returned
}
