use indicatif::{ProgressBar, ProgressStyle};
use kefu_simulator::Progress;

/// A bar on stderr while a script plays; nothing where stderr is no terminal.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new(messages: u64) -> Bar {
        let bar = ProgressBar::new(messages);
        // The template is ours and fixed: should it ever be wrong, the plain bar does as well.
        if let Ok(style) =
            ProgressStyle::with_template("{elapsed:>4} {bar:40} {pos}/{len} answered, {msg} sent")
        {
            bar.set_style(style);
        }
        Bar(bar)
    }

    pub(crate) fn show(&self, progress: &Progress) {
        self.0.set_position(progress.answered as u64);
        self.0.set_message(progress.sent.to_string());
    }

    pub(crate) fn clear(self) {
        self.0.finish_and_clear();
    }
}
