pub async fn rename_user(db: &Db, id: u64, name: String) -> Result<User, DbError> {
    use ::cached_aside::__private as __aside;
    const __SHAPE: u8 = {
        use ::cached_aside::__private::{NoShape as _, Shape};
        Shape::<Result<User, DbError>>::OPTION + Shape::<Result<User, DbError>>::RESULT
            + Shape::<Result<User, DbError>>::RESULT_OPTION
    };
    static __WRITE: __aside::WriteFunction = __aside::WriteFunction::declare(
        ::core::module_path!(),
        "rename_user",
    );
    let keys = [
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
    let body = ::core::pin::pin!(
        async move { if let ::core::option::Option::Some(never) =
        ::core::option::Option::None:: < Result < User, DbError > > { return never; } db
        .rename(id, name). await }
    );
    __aside::update::<
        Result<User, DbError>,
        __SHAPE,
        _,
    >(&__WRITE, ::core::option::Option::None, ::core::option::Option::None, keys, body)
        .await
}
