/// How a layout spells a mixture of experts.
extension Layout {
  package struct ExpertSwitch: Codable, Equatable, Sendable {
    /// Experts of a layer.
    package var count: Source
    /// Experts of a token.
    package var activeCount: Source
    /// Neurons of an expert.
    package var width: Source
    /// An `ExpertRouting.Scoring`.
    package var scoring: Source
    package var isNormalized: Source
    package var readsLayerInput: Bool?
    /// Neurons of the shared expert; none or 0: there is none.
    package var sharedWidth: Source?
    package var weighsShared: Bool?
    /// Each so manieth layer has experts, the others `feedForwardWidth` neurons for every token;
    /// absent: every layer has.
    package var interval: Source?
    /// A list of further layers, from 0, that have none.
    package var denseLayers: Source?

    var sources: [Source?] {
      [count, activeCount, width, scoring, isNormalized, sharedWidth, interval, denseLayers]
    }
  }

  /// How one tensor holds the matrices of all experts: `[experts, rows, columns]`.
  package struct ExpertStack: Codable, Equatable, Sendable {
    /// The roles whose rows each expert's matrix holds, in this order; absent: the pattern's own.
    package var roles: [TensorRole]?
    /// Whether the rows of the roles take turns: the first of each, then the second of each.
    package var isInterleaved: Bool?
    /// Whether each matrix lies column by column.
    package var isTurned: Bool?
    /// The tensor with the scales of an MXFP4 matrix, `[experts, rows, columns / 32]`, whose codes
    /// are this one, `[experts, rows, columns / 32, 16]`.
    package var scales: String?

    package init(
      roles: [TensorRole]? = nil, isInterleaved: Bool? = nil, isTurned: Bool? = nil,
      scales: String? = nil
    ) {
      self.roles = roles
      self.isInterleaved = isInterleaved
      self.isTurned = isTurned
      self.scales = scales
    }
  }

  package struct StackedExperts: Codable, Equatable, Sendable {
    package var name: String
    package var stack: ExpertStack
  }

  /// Gives the layers their experts, and the model its routing.
  func addExperts(
    _ reader: ConfigurationReader, to configuration: inout ModelConfiguration
  ) throws(StoreError) {
    if decoder.hasSinks == true { configuration.hasSinks = true }
    guard let experts = decoder.experts else { return }
    let count = try reader.positive(experts.count, limit: 1 << 16)
    let width = try reader.positive(experts.width)
    let shared = try experts.sharedWidth.flatMap { source throws(StoreError) in
      try reader.optionalPositive(source, allowsZero: true)
    }
    let interval = try experts.interval.flatMap { source throws(StoreError) in
      try reader.optionalPositive(source)
    }
    let dense = try reader.layerNumbers(experts.denseLayers, configuration.layers.count)
    for index in configuration.layers.indices {
      if (index + 1) % (interval ?? 1) == 0, !dense.contains(index) {
        configuration.layers[index].expertCount = count
        configuration.layers[index].feedForwardWidth = count * width
        configuration.layers[index].sharedWidth = shared == 0 ? nil : shared
      } else {
        configuration.layers[index].sharedWidth = configuration.layers[index].feedForwardWidth
        configuration.layers[index].feedForwardWidth = 0
      }
    }
    configuration.routing = ExpertRouting(
      activeCount: try reader.positive(experts.activeCount, limit: 1 << 16),
      scoring: try reader.choice(experts.scoring),
      isNormalized: try reader.bool(experts.isNormalized),
      readsLayerInput: experts.readsLayerInput == true ? true : nil,
      weighsShared: experts.weighsShared == true && shared ?? 0 > 0 ? true : nil)
  }
}

extension Layout.TensorPattern {
  /// What is wrong with what the pattern says of experts, as the end of a sentence.
  func expertProblem(hasExperts: Bool) -> String? {
    let stacks = (stack.map { [$0] } ?? []) + (orStacked ?? []).map(\.stack)
    if isPerExpert || !stacks.isEmpty {
      guard hasExperts, role.isBundled else { return "belongs to no expert" }
      if isBias, isPerExpert { return "must be one tensor for all experts" }
      if isPerExpert, stack != nil { return "has a stack and a tensor for each expert" }
    }
    for stack in stacks {
      guard stack.roles?.contains(role) ?? true else { return "is not among its stack's roles" }
      if stack.isTurned == true, stack.roles?.count ?? 1 > 1, stack.isInterleaved != true {
        return "lies column by column, where roles must take turns"
      }
      if stack.scales != nil, stack.isTurned == true || isBias {
        return "has scales, which only matrices that lie row by row have"
      }
    }
    for stacked in orStacked ?? [] where !stacked.name.contains("{layer}") {
      return "is stacked under a name without {layer}"
    }
    return nil
  }
}

extension ConfigurationReader {
  /// A list of layers, from 0; empty where there is none.
  func layerNumbers(_ source: Layout.Source?, _ layerCount: Int) throws(StoreError) -> Set<Int> {
    guard let source, let value = value(source) else { return [] }
    guard case .array(let values) = value else { throw mismatch(source, "a list of layers", value) }
    var numbers: Set<Int> = []
    for value in values {
      guard let number = value.integer, (0..<layerCount).contains(number) else {
        throw mismatch(source, "numbers from 0 to \(layerCount - 1)", value)
      }
      numbers.insert(number)
    }
    return numbers
  }
}
