internal import ArgumentParser
internal import FlashWeights

/// `verify`: reads every byte of a store and names what is damaged.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Read every byte of a store and name what is damaged.")

  @OptionGroup(title: "Model") var model: ModelOptions

  @OptionGroup var consoleOptions: ConsoleOptions

  func run() throws {
    let settings = try Settings.load()
    let console = try consoleOptions.open(settings)
    let path = try ModelLocator(console: console, converts: false).store(
      named: model.path(settings))
    let store = try WeightStore.openForVerification(path)
    let progress = ProgressReporter("verify", unit: .bytes, console: console)
    let damage = store.verify { progress.update($0, of: $1) }
    progress.finish()
    guard let first = damage.first else {
      let extents = store.manifest.tensors.count + store.manifest.bundles.count
      try Output.line(
        "\(path): whole, \(extents) extents and \(store.manifest.companions.count) files, "
          + Units.bytes(store.fileByteCount))
      return
    }
    for error in damage { try Output.line("\(error)") }
    throw Failure(
      ExitStatus(rawValue: first.category.rawValue) ?? .badData,
      "\(path): \(damage.count) part\(damage.count == 1 ? " is" : "s are") damaged",
      hints: ["make the store again from its checkpoint: flashrun convert … --overwrite"])
  }
}
