/// A layer, counted from 0.
package struct LayerIndex: Hashable, Sendable {
  package let value: Int
  package init(_ value: Int) { self.value = value }
}

/// A stride of bundles within a layer: what the window cache keeps or drops as one.
package struct StrideIndex: Hashable, Sendable {
  package let value: Int
  package init(_ value: Int) { self.value = value }
}

/// A slot of the window cache within its layer.
package struct SlotIndex: Hashable, Sendable {
  package let value: Int
  package init(_ value: Int) { self.value = value }
}
