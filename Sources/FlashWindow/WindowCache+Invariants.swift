/// What must hold between any two calls; tests check it after every operation.
extension WindowCache {
  package func checkInvariants() {
    for table in layers { table.checkInvariants() }
  }
}

extension SlotTable {
  func checkInvariants() {
    let (queued, held, free) = queue.parts
    let slots = queued.map(\.slot) + held + free
    precondition(Set(slots) == Set(strideInSlot.indices), "the queue knows every slot")
    precondition(slots.count == strideInSlot.count, "the queue knows a slot once")
    for (index, entry) in queued.enumerated() where index > 0 {
      precondition(queued[(index - 1) / 2].key <= entry.key, "no slot is before a lower key")
    }
    for (slot, queuedKey) in queued {
      precondition(queuedKey <= key(of: slot), "a key in the queue is never too high")
    }
    for slot in queued.map(\.slot) + held {
      precondition(slotOfStride[Int(strideInSlot[slot])] == slot, "tables agree")
    }
    precondition(free.allSatisfy { strideInSlot[$0] == Self.none }, "free slots hold nothing")
    let used = slotOfStride.filter { $0 != Self.none }
    precondition(used.count == queued.count + held.count, "a stride has one slot, of its own")
  }
}
