//! Owns the twins of rayon's scopes. A body is a message: whichever thread gets it opens it, as a routine of its own.

use routines::Carried;

/// Writes one kind of scope: the two differ in nothing but names.
macro_rules! scopes {
    ($scope:ident, $run:ident, $in_place:ident, $spawn:ident, $detached:ident) => {
        #[doc = concat!("The twin of [`rayon::", stringify!($scope), "`]: its jobs may borrow, and inherit the context.")]
        #[derive(Debug)]
        pub struct $scope<'a, 'scope>(&'a rayon::$scope<'scope>);

        impl<'scope> $scope<'_, 'scope> {
            /// Spawns a job into the scope, in the caller's context: a routine of its own while it runs, a child of the caller.
            #[track_caller]
            pub fn $spawn<F>(&self, body: F)
            where
                F: FnOnce(&$scope<'_, 'scope>) + Send + 'scope,
            {
                let body = Carried::message(body);
                self.0.$spawn(move |scope| body.open(|body| body(&$scope(scope))));
            }

            /// Spawns a job into the scope, with an empty context.
            #[track_caller]
            pub fn $detached<F>(&self, body: F)
            where
                F: FnOnce(&$scope<'_, 'scope>) + Send + 'scope,
            {
                let body = Carried::detached_message(body);
                self.0.$spawn(move |scope| body.open(|body| body(&$scope(scope))));
            }
        }

        #[doc = concat!("Runs a closure on the pool, and waits for all jobs it spawns; otherwise [`rayon::", stringify!($run), "`].")]
        ///
        /// # Panics
        ///
        /// With the panic of the closure or of a job, when all have ended.
        #[track_caller]
        pub fn $run<'scope, F, R>(f: F) -> R
        where
            F: FnOnce(&$scope<'_, 'scope>) -> R + Send,
            R: Send,
        {
            let f = Carried::message(f);
            rayon::$run(move |scope| f.open(|f| f(&$scope(scope))))
        }

        #[doc = concat!("Runs a closure here, and waits for all jobs it spawns on the pool; otherwise [`rayon::", stringify!($in_place), "`].")]
        ///
        /// # Panics
        ///
        /// With the panic of the closure or of a job, when all have ended.
        pub fn $in_place<'scope, F, R>(f: F) -> R
        where
            F: FnOnce(&$scope<'_, 'scope>) -> R,
        {
            rayon::$in_place(|scope| f(&$scope(scope)))
        }
    };
}

scopes!(Scope, scope, in_place_scope, spawn, spawn_detached);
scopes!(ScopeFifo, scope_fifo, in_place_scope_fifo, spawn_fifo, spawn_fifo_detached);
