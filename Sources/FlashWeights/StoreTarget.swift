/// Where a store is to appear, and the hidden folder beside it in which it grows.
package struct StoreTarget: Sendable {
  /// The folder `NAME.flash`; where the given path is a symbolic link, what it leads to.
  package let path: String
  /// The folder that will hold the store.
  package let parent: String
  /// `.NAME.partial`: an interrupted writer leaves it, and the next one for the same work takes it
  /// up.
  package let partialPath: String

  /// Throws `unusableTarget` for an empty path and for a symbolic link that leads nowhere.
  package init(_ path: String) throws(StoreError) {
    guard !path.isEmpty else {
      throw StoreError(
        .unusableTarget, "the path of the store is empty", expected: "a path like NAME.flash")
    }
    guard let path = try Folder.resolved(path) else {
      throw StoreError(
        .unusableTarget,
        "is a symbolic link that leads nowhere; remove it, or make the folder that holds what it "
          + "names and give that path", file: path)
    }
    let (parent, name) = Folder.split(path)
    self.path = path
    self.parent = parent
    partialPath = "\(parent)/.\(name).partial"
  }

  /// Throws `targetExists` unless nothing is there, or a store is that may be replaced.
  package func requireFree(overwrite: Bool) throws(StoreError) {
    guard Folder.exists(path) else { return }
    guard overwrite else {
      throw StoreError(
        .targetExists, "is there already; --overwrite replaces it once the new store is whole",
        file: path)
    }
    guard Folder.exists(path + "/" + StoreFile.manifest) else {
      throw StoreError(
        .targetExists, "is no store and is not overwritten", file: path,
        expected: "a folder with \(StoreFile.manifest)")
    }
  }
}
