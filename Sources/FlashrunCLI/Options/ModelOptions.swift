internal import ArgumentParser

/// Which model: a store, given as an argument or with `-m`.
struct ModelOptions: ParsableArguments {
  @Option(
    name: [.customShort("m"), .long],
    help: ArgumentHelp(
      "The store to use; the bundled sample where none is named.", valueName: "store"))
  var model: String?

  @Argument(help: ArgumentHelp("The same without -m.", valueName: "store"))
  var store: String?

  init() {}

  /// - Throws: `Failure` (usage) when two different stores are named.
  func path(_ settings: Settings) throws(Failure) -> String? {
    if let model, let store, model != store {
      throw Failure(.usage, "two models are named: '\(store)' and, with -m, '\(model)'")
    }
    return try settings.value(model ?? store, "model")
  }
}
