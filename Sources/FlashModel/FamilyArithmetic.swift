import FlashKernels
import FlashWeights

/// What is special about a family's arithmetic, copied once from the configuration: threads that
/// copy that would count references.
struct FamilyArithmetic {
  let activation: Activation
  /// Above which a neuron's pre-activation fires.
  let firingThreshold: Float
  let isGated: Bool
  let order: LayerOrder
  let queryKeyNorm: QueryKeyNorm?
  let routing: ExpertRouting?
  /// Of query times key.
  let attentionScale: Float
  /// Nil where there is none, as those that follow.
  let attentionCap: Float?
  let embeddingScale: Float?
  let residualScale: Float?
  let logitScale: Float?
  let logitCap: Float?

  init(_ configuration: ModelConfiguration) {
    activation = configuration.activation
    firingThreshold = configuration.firingThreshold
    isGated = configuration.isGated
    order = configuration.layerOrder
    queryKeyNorm = configuration.queryKeyNorm
    routing = configuration.routing
    attentionScale =
      configuration.scales?.attention.map { Float($0) }
      ?? 1 / Float(configuration.headDimension).squareRoot()
    attentionCap = configuration.caps?.attention.map { Float($0) }
    embeddingScale = configuration.scales?.embedding.map { Float($0) }
    residualScale = configuration.scales?.residual.map { Float($0) }
    logitScale = configuration.scales?.logits.map { Float($0) }
    logitCap = configuration.caps?.logits.map { Float($0) }
  }
}
