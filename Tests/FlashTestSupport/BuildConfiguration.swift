/// Whether the tests were compiled with optimization (`swift test -c release`).
///
/// Tests that do much arithmetic are enabled only then, with
/// `.enabled(if: isOptimizedBuild, "needs an optimized build")`; `scripts/test` runs both builds,
/// so that nothing is left out.
package let isOptimizedBuild: Bool = {
  #if DEBUG
    false
  #else
    true
  #endif
}()
