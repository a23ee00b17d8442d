internal import FlashModel
internal import FlashWeights
internal import FlashWindow
internal import Flashrun

/// The methods of LLM in a Flash (arXiv 2312.11514, table 2), each added to those before it.
enum AblationStep: String, CaseIterable, Sendable {
  /// All weights are read for every token.
  case naive
  /// Attention, embedding and head are resident; the feed-forward part is read whole.
  case hybrid
  /// Only neurons that fire are read: gates are resident and decide, or predictors are.
  case sparsity
  /// Neurons that fired lately stay.
  case window
  /// A neuron's parts lie side by side and are read at once.
  case bundling
  /// Reads go on while there is arithmetic.
  case overlap

  /// The steps that a model can take: those in between need neurons that are left out.
  static func steps(isSparse: Bool) -> [AblationStep] {
    isSparse ? allCases : [.naive, .hybrid, .overlap]
  }

  var title: String {
    switch self {
    case .naive, .hybrid: rawValue
    default: "+" + rawValue
    }
  }

  /// Whether a step has what another one adds.
  func has(_ other: AblationStep, in steps: [AblationStep]) -> Bool {
    guard let own = steps.firstIndex(of: self), let index = steps.firstIndex(of: other) else {
      return false
    }
    return index <= own
  }

  /// Whether neurons' parts are read from files of their own. Where all neurons are read in order,
  /// it makes no difference.
  var readsSeparateParts: Bool { self == .sparsity || self == .window }

  /// The options of a run that goes so far and no further.
  func options(_ options: EngineOptions, isSparse: Bool, parts: SeparateParts?) -> EngineOptions {
    var options = options
    let asked = options.decoder.sparsity
    let sparse = [.predicted, .threshold].contains(asked) ? asked : .exact
    options.decoder.sparsity = isSparse && has(.sparsity, in: Self.allCases) ? sparse : .dense
    options.decoder.storage.overlapsReads = self == .overlap
    options.decoder.storage.separateParts = readsSeparateParts ? parts : nil
    options.decoder.storage.residency =
      switch self {
      case .naive: .nothing
      case .hybrid: .dense
      case .sparsity: .decidingRows
      case .window, .bundling: .window
      case .overlap: isSparse ? .window : .dense
      }
    return options
  }
}
