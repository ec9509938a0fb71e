/// A rule that is broken on purpose, to see whether the simulation notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutation {
    None,
    /// A part is settled without a look at the fence.
    SettleIgnoresFence,
    /// A part is marked without a look at the fence.
    MarkIgnoresFence,
    /// A page is stored without a look at the fence and the cursor, and its messages again.
    PageIgnoresFence,
    /// The lease is given back whatever is owed.
    ReleaseWhileOwed,
    /// An account is given back although somebody asked for one more pull.
    ReleaseIgnoresWanted,
    /// The sweeper publishes and forgets to move `wake_at` on.
    SweepForgetsRow,
    /// A decision handles everything that is owed, not what was read.
    DecideHighWater,
    /// Any redelivered job takes over the lease.
    AnyRedeliveryTakes,
    /// A pause without a time to wake.
    ParkWithoutWake,
    /// A page with new messages gives their conversation no time to wake.
    PageWithoutWake,
    /// A message that is stored is taken for new when it comes again.
    MessageTakenTwice,
    /// A reply of which a part has left is dropped for a newer message, and its messages are owed again.
    StartedReplyOvertaken,
    /// A settled part can be marked and called again.
    SettledPartSentAgain,
    /// A part whose process died while sending is not noted as ambiguous.
    AmbiguityForgotten,
    /// A repeated call gets a new msgid.
    NewMsgidOnRepeat,
    /// A planned reply is sent although a person has the conversation.
    TakeoverStillSends,
    /// A part is called before it is marked.
    CallBeforeMark,
    /// The next part goes out while the one before it is unclear.
    PartsOutOfOrder,
    /// After the window a part on its way is called once more.
    WindowIgnored,
    /// What was said between a customer's message and its page does not count.
    BudgetForgetsWhatWasSaid,
    /// A reply not begun is sent although its message was taken back or answered by a person.
    PlannedReplyKept,
    /// A conversation is given back while it is still to be handed over.
    TransferForgotten,
    /// A hand-over that WeCom refuses counts as made.
    RefusalTakenForMove,
}

impl Mutation {
    pub(super) const ALL: [Mutation; 23] = [
        Mutation::SettleIgnoresFence,
        Mutation::MarkIgnoresFence,
        Mutation::PageIgnoresFence,
        Mutation::ReleaseWhileOwed,
        Mutation::ReleaseIgnoresWanted,
        Mutation::SweepForgetsRow,
        Mutation::DecideHighWater,
        Mutation::AnyRedeliveryTakes,
        Mutation::ParkWithoutWake,
        Mutation::PageWithoutWake,
        Mutation::MessageTakenTwice,
        Mutation::StartedReplyOvertaken,
        Mutation::SettledPartSentAgain,
        Mutation::AmbiguityForgotten,
        Mutation::NewMsgidOnRepeat,
        Mutation::TakeoverStillSends,
        Mutation::CallBeforeMark,
        Mutation::PartsOutOfOrder,
        Mutation::WindowIgnored,
        Mutation::BudgetForgetsWhatWasSaid,
        Mutation::PlannedReplyKept,
        Mutation::TransferForgotten,
        Mutation::RefusalTakenForMove,
    ];
}
