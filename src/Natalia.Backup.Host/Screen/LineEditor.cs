using System.Text;

namespace Natalia.Backup.Host.Screen;

internal enum LineKind
{
    Entered,
    /// <summary>Ctrl-C: the line is dropped.</summary>
    Cancelled,
    /// <summary>Ctrl-D on an empty line, or the process is to end.</summary>
    End,
}

internal readonly record struct Line(LineKind Kind, string Text);

/// <summary>Edits one line: arrows, Home, End, history with the up and down arrows, Tab and Shift-Tab to complete, Ctrl-A E U K W L as in other shells.</summary>
internal sealed class LineEditor(Terminal terminal, Completer completer)
{
    private readonly List<string> _history = [];
    private readonly StringBuilder _text = new();
    private string _prompt = "";
    private int _cursor;
    private int _historyAt;
    private int _cursorRow;
    private Completer.Candidates? _candidates;
    private int _candidate;
    private int _candidateLength;

    public Line ReadLine(string prompt, Func<bool> leave)
    {
        _prompt = prompt;
        _text.Clear();
        _cursor = _cursorRow = 0;
        _historyAt = _history.Count;
        _candidates = null;
        Console.TreatControlCAsInput = true;
        try
        {
            while (true)
            {
                // A terminal that was closed has "keys" without end: the signal that came with it must be seen all the same.
                if (leave())
                    return new Line(LineKind.End, "");
                // Drawn when the keys are used up, so that pasted text does not crawl.
                if (!Console.KeyAvailable)
                    Draw();
                while (!Console.KeyAvailable)
                {
                    if (leave())
                        return new Line(LineKind.End, "");
                    Thread.Sleep(15);
                }

                var key = Console.ReadKey(intercept: true);
                if (key == default)
                    return new Line(LineKind.End, "");
                if (Press(key) is not { } kind)
                    continue;

                _cursor = _text.Length;
                Draw();
                terminal.Write(Environment.NewLine);
                var text = _text.ToString();
                if (kind == LineKind.Entered && text.Trim().Length > 0 && (_history.Count == 0 || _history[^1] != text))
                    _history.Add(text);
                return new Line(kind, text);
            }
        }
        finally
        {
            Console.TreatControlCAsInput = false;
        }
    }

    /// <summary>Does what the key means. Anything but null ends the line.</summary>
    private LineKind? Press(ConsoleKeyInfo key)
    {
        var control = key.Modifiers.HasFlag(ConsoleModifiers.Control);
        if (key.Key == ConsoleKey.Tab)
        {
            Complete(key.Modifiers.HasFlag(ConsoleModifiers.Shift) ? -1 : 1);
            return null;
        }

        _candidates = null;
        switch (key.Key)
        {
            case ConsoleKey.Enter:
                return LineKind.Entered;
            case ConsoleKey.C when control:
                return LineKind.Cancelled;
            case ConsoleKey.D when control && _text.Length == 0:
                return LineKind.End;
            case ConsoleKey.D when control:
            case ConsoleKey.Delete:
                if (_cursor < _text.Length)
                    _text.Remove(_cursor, 1);
                break;
            case ConsoleKey.Backspace:
                if (_cursor > 0)
                    _text.Remove(--_cursor, 1);
                break;
            case ConsoleKey.LeftArrow:
                _cursor = control ? WordStart() : Math.Max(_cursor - 1, 0);
                break;
            case ConsoleKey.RightArrow:
                _cursor = Math.Min(_cursor + 1, _text.Length);
                break;
            case ConsoleKey.Home or ConsoleKey.A when key.Key == ConsoleKey.Home || control:
                _cursor = 0;
                break;
            case ConsoleKey.End or ConsoleKey.E when key.Key == ConsoleKey.End || control:
                _cursor = _text.Length;
                break;
            case ConsoleKey.UpArrow:
                Recall(-1);
                break;
            case ConsoleKey.DownArrow:
                Recall(1);
                break;
            case ConsoleKey.Escape:
                Replace(0, _text.Length, "");
                break;
            case ConsoleKey.U when control:
                Replace(0, _cursor, "");
                break;
            case ConsoleKey.K when control:
                Replace(_cursor, _text.Length - _cursor, "");
                break;
            case ConsoleKey.W when control:
                var start = WordStart();
                Replace(start, _cursor - start, "");
                break;
            case ConsoleKey.L when control:
                terminal.Write("\e[H\e[2J");
                _cursorRow = 0;
                break;
            default:
                if (!char.IsControl(key.KeyChar))
                    _text.Insert(_cursor++, key.KeyChar);
                break;
        }

        return null;
    }

    private void Complete(int step)
    {
        if (_candidates is null)
        {
            _candidates = completer.Complete(_text.ToString(), _cursor);
            _candidateLength = _candidates.Length;
            _candidate = step > 0 ? -1 : 0;
        }

        var count = _candidates.Texts.Count;
        if (count == 0)
            return;
        _candidate = (_candidate + step + count) % count;
        var text = _candidates.Texts[_candidate];
        Replace(_candidates.Start, _candidateLength, text);
        _candidateLength = text.Length;
    }

    private void Recall(int step)
    {
        _historyAt = Math.Clamp(_historyAt + step, 0, _history.Count);
        Replace(0, _text.Length, _historyAt < _history.Count ? _history[_historyAt] : "");
    }

    private void Replace(int start, int length, string text)
    {
        _text.Remove(start, length).Insert(start, text);
        _cursor = start + text.Length;
    }

    private int WordStart()
    {
        var at = _cursor;
        while (at > 0 && char.IsWhiteSpace(_text[at - 1]))
            at--;
        while (at > 0 && !char.IsWhiteSpace(_text[at - 1]))
            at--;
        return at;
    }

    /// <summary>Writes the line anew, over as many rows as it takes, and puts the cursor where it belongs.</summary>
    private void Draw()
    {
        var width = terminal.Width;
        var length = _prompt.Length + _text.Length;
        var target = _prompt.Length + _cursor;
        var screen = new StringBuilder();
        if (_cursorRow > 0)
            screen.Append($"\e[{_cursorRow}A");
        screen.Append("\r\e[J").Append(_prompt).Append(_text);

        // A row that is exactly full leaves the cursor hanging behind it; a blank makes the terminal go to the next row.
        if (length > 0 && length % width == 0)
            screen.Append(" \r");
        var up = (length / width) - (target / width);
        if (up > 0)
            screen.Append($"\e[{up}A");
        screen.Append('\r');
        if (target % width > 0)
            screen.Append($"\e[{target % width}C");
        _cursorRow = target / width;
        terminal.Write(screen.ToString());
    }
}
