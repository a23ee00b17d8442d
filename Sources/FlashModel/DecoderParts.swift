import FlashKernels
import FlashWeights
import FlashWindow

/// What a decoder is put together from.
struct DecoderParts {
  var core: DecoderCore
  var weights: ModelWeights
  var cache: KVCache
  var rotary: RotaryTables
  var memory: ScratchArena
  var plan: MemoryPlan
  var mode: SparsityMode
  var sliceByteCount: Int
  var predictor: SparsityPredictor?
  var bounds: [FiringBounds]
  var computesResidentGates: Bool
  var meter: ActivityMeter?
  var routingMeter: RoutingMeter?
}
