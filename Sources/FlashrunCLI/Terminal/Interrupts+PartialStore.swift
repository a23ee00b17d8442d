internal import FlashWeights
internal import Glibc

/// What a signal means while a store is being written.
extension Interrupts {
  /// From now on the first signal ends the process at once and says where the part that is written
  /// lies; the target is untouched.
  ///
  /// - Throws: `StoreError` for a target that cannot be.
  static func explainPartialStore(at target: String, console: Console) throws(StoreError) {
    let path = try StoreTarget(target).partialPath
    onFirst {
      if FileInput.exists(path) {
        console.notice(
          "stopped: what is written so far lies in \(path); the same command goes on from it, "
            + "otherwise remove it")
      }
      _exit((received ?? .interrupted).rawValue)
    }
  }
}
