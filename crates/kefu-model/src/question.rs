//! What a model server is asked: lines of a chat in the form that the strictest templates take.

use serde::{Deserialize, Serialize};

/// One line of a chat, as the model is shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    pub role: Role,
    pub content: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
}

/// Who says the task: `ai.system_role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SystemRole {
    System,
    /// The name OpenAI's newer models know it by.
    Developer,
    /// For servers without such a role: it stands above the customer's first line.
    User,
}

#[derive(Serialize)]
pub(super) struct Question<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<&'a str>,
    pub(super) messages: Vec<Line>,
    /// Said, since some servers take its absence for a yes.
    pub(super) stream: bool,
}

/// The task and the lines, in turns: many templates refuse two lines of one role in a row, or an answer before the
/// first question.
pub(super) fn messages(task: &str, role: SystemRole, lines: &[Line]) -> Vec<Line> {
    let mut messages: Vec<Line> = Vec::with_capacity(lines.len() + 1);
    for line in lines {
        match messages.last_mut() {
            None if line.role == Role::Assistant => (),
            Some(before) if before.role == line.role => {
                before.content.push('\n');
                before.content.push_str(&line.content);
            }
            _ => messages.push(line.clone()),
        }
    }
    let task = task.trim();
    if task.is_empty() {
        return messages;
    }
    let role = match role {
        SystemRole::System => Role::System,
        SystemRole::Developer => Role::Developer,
        SystemRole::User => {
            if let Some(first) = messages.first_mut() {
                first.content = format!("{task}\n\n{}", first.content);
            }
            return messages;
        }
    };
    let content = task.to_owned();
    messages.insert(0, Line { role, content });
    messages
}

/// About how many tokens a text is: one for each sign that is not ASCII, one for three that are. Servers count
/// differently; this is rather too many than too few for Chinese and English.
pub fn tokens(text: &str) -> usize {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let others = text.chars().filter(|sign| !sign.is_ascii()).count();
    others + ascii.div_ceil(3)
}

/// The newest lines that fit, oldest first; at least the last one, shortened if it alone is too long.
pub(crate) fn newest(lines: &[Line], lines_max: usize, tokens_max: usize) -> Vec<Line> {
    let mut spent = 0;
    let fitting = lines.iter().rev().take(lines_max).take_while(|line| {
        spent += tokens(&line.content);
        spent <= tokens_max
    });
    let count = fitting.count();
    if count == 0 {
        return lines
            .last()
            .map(|line| shortened(line, tokens_max))
            .into_iter()
            .collect();
    }
    lines[lines.len() - count..].to_vec()
}

/// All lines, each cut so that together they are no longer than this.
pub(crate) fn shortened_to(lines: &[Line], tokens_max: usize) -> Vec<Line> {
    let each = tokens_max / lines.len().max(1);
    lines.iter().map(|line| shortened(line, each)).collect()
}

fn shortened(line: &Line, tokens_max: usize) -> Line {
    if tokens(&line.content) <= tokens_max {
        return line.clone();
    }
    let mut content = String::new();
    let (mut ascii, mut others) = (0_usize, 1);
    for sign in line.content.chars() {
        match sign.is_ascii() {
            true => ascii += 1,
            false => others += 1,
        }
        if tokens_max < others + ascii.div_ceil(3) {
            break;
        }
        content.push(sign);
    }
    content.push('…');
    Line {
        role: line.role,
        content,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(role: Role, content: &str) -> Line {
        Line {
            role,
            content: content.to_owned(),
        }
    }

    fn user(content: &str) -> Line {
        line(Role::User, content)
    }

    fn assistant(content: &str) -> Line {
        line(Role::Assistant, content)
    }

    #[track_caller]
    fn check(task: &str, role: SystemRole, lines: &[Line], expected: &[Line]) {
        assert_eq!(messages(task, role, lines), expected);
    }

    #[test]
    fn roles_take_turns() {
        let lines = [
            assistant("欢迎"),
            user("你好"),
            user("我要退款"),
            assistant("好的"),
            assistant("请稍等"),
            user("在吗"),
        ];
        let turns = [user("你好\n我要退款"), assistant("好的\n请稍等"), user("在吗")];
        check("", SystemRole::System, &lines, &turns);
        let [one, two, three] = turns;
        let with_task = [line(Role::System, "任务"), one, two, three];
        check(" 任务\n", SystemRole::System, &lines, &with_task);
    }

    #[test]
    fn the_task_has_the_role_the_server_knows() {
        check(
            "任务",
            SystemRole::Developer,
            &[user("你好")],
            &[line(Role::Developer, "任务"), user("你好")],
        );
        check("任务", SystemRole::User, &[user("你好")], &[user("任务\n\n你好")]);
        check("  ", SystemRole::User, &[user("你好")], &[user("你好")]);
    }

    #[test]
    fn a_prompt_holds_the_newest_lines_that_fit() {
        let many: Vec<Line> = (0..60).map(|number| user(&number.to_string())).collect();
        assert_eq!(newest(&many, 50, 1000).len(), 50);
        assert_eq!(newest(&many, 50, 1000).last(), many.last());
        let long = [user(&"长".repeat(100)), user("新")];
        assert_eq!(newest(&long, 50, 100), [user("新")]);
        assert_eq!(newest(&long, 50, 101), long);
        assert_eq!(
            newest(&long[..1], 50, 10),
            [user(&format!("{}…", "长".repeat(9)))]
        );
        assert!(newest(&[], 50, 10).is_empty());
    }

    #[test]
    fn lines_are_shortened_each_to_its_share() {
        let short = shortened_to(&[user(&"长".repeat(100)), user("短")], 20);
        assert_eq!(short, [user(&format!("{}…", "长".repeat(9))), user("短")]);
        assert!(short.iter().map(|line| tokens(&line.content)).sum::<usize>() <= 20);
    }

    #[test]
    fn tokens_are_counted_rather_too_many() {
        assert_eq!(tokens(""), 0);
        assert_eq!(tokens("您好"), 2);
        assert_eq!(tokens("hello"), 2);
        assert_eq!(tokens("退款 refund"), 2 + 3);
    }
}
