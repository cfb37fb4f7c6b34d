pub async fn rename_user(db: &Db, id: u64, name: String) -> Result<User, DbError> {
    use ::cached_aside::__private as __aside;
    const __SHAPE: ::core::primitive::u8 = {
        use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
        __Shape::<Result<User, DbError>>::OPTION
            + __Shape::<Result<User, DbError>>::RESULT
            + __Shape::<Result<User, DbError>>::RESULT_OPTION
    };
    static __WRITE: __aside::WriteFunction = __aside::WriteFunction::declare(
            ::core::module_path!(),
            "rename_user",
        )
        .targets(
            &[
                __aside::Target::Function({
                    use ::cached_aside::__private::not_cached::Of1 as __named;
                    {
                        use load_user as __named;
                        <__named as ::cached_aside::__private::Companion>::function
                    }
                }),
                __aside::Target::Function({
                    use ::cached_aside::__private::not_cached::Of1 as __named;
                    {
                        use users::by_id as __named;
                        <__named as ::cached_aside::__private::Companion>::function
                    }
                }),
            ],
        );
    ::cached_aside::__private::inventory::submit! {
        ::cached_aside::__private::LinkedWrite(& __WRITE)
    }
    let __keys = [
        __aside::Updated({
                use ::cached_aside::__private::not_cached::Of1 as __named;
                {
                    use load_user as __named;
                    <__named>::key(id)
                }
            })
            .by::<Result<User, DbError>, __SHAPE>(),
        __aside::Updated({
                use ::cached_aside::__private::not_cached::Of1 as __named;
                {
                    use users::by_id as __named;
                    <__named>::key(id)
                }
            })
            .by::<Result<User, DbError>, __SHAPE>(),
    ];
    let __body = ::core::pin::pin!(
        async move { if let ::core::option::Option::Some(__never) =
        ::core::option::Option::None:: < Result < User, DbError > > { return __never; }
        db.rename(id, name). await }
    );
    let __returned = __aside::update::<
        Result<User, DbError>,
        __SHAPE,
        _,
    >(
            &__WRITE,
            ::core::option::Option::None,
            ::core::option::Option::None,
            __keys,
            __body,
        )
        .await;
    __returned
}
