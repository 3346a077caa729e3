using System.Management.Automation;
using System.Management.Automation.Host;
using System.Runtime.InteropServices;
using System.Security;
using System.Text;
using System.Text.RegularExpressions;

namespace Natalia.Backup.Host.Screen;

/// <summary>
/// The three standard streams: what goes where, what may be coloured, whether somebody is there to ask. Thread-safe, because progress and warnings come
/// from the pipeline's thread while signals come from others.
/// </summary>
internal sealed partial class Terminal
{
    private readonly object _gate = new();
    private readonly ProgressLine _progress;
    private CancellationTokenSource _question = new();
    private bool _outputAsErrors;
    private bool _atLineStart = true;

    public Terminal(bool nonInteractive)
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        var dumb = Environment.GetEnvironmentVariable("TERM") is "dumb";
        var virtualTerminal = !dumb && (!OperatingSystem.IsWindows() || EnableVirtualTerminal());
        OutputIsTerminal = !Console.IsOutputRedirected;
        ErrorIsTerminal = !Console.IsErrorRedirected;
        CanAsk = !nonInteractive && !Console.IsInputRedirected && (OutputIsTerminal || ErrorIsTerminal);
        CanMoveCursor = virtualTerminal;
        Coloured = OutputIsTerminal && virtualTerminal && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        _progress = new ProgressLine(enabled: ErrorIsTerminal && virtualTerminal, () => Width, TimeProvider.System);
    }

    public bool OutputIsTerminal { get; }

    public bool ErrorIsTerminal { get; }

    /// <summary>Somebody sits at the keyboard and sees the question.</summary>
    public bool CanAsk { get; }

    public bool CanMoveCursor { get; }

    public bool Coloured { get; }

    /// <summary>Columns of the output. Where there is no terminal, enough for the module's tables.</summary>
    public int Width =>
        OutputIsTerminal && Console.BufferWidth > 0 ? Console.BufferWidth
        : int.TryParse(Environment.GetEnvironmentVariable("COLUMNS"), out var columns) && columns >= 20 ? columns
        : 120;

    public int Height => OutputIsTerminal && Console.WindowHeight > 0 ? Console.WindowHeight : 50;

    public void Write(string text)
    {
        lock (_gate)
        {
            EraseProgress();
            if (_outputAsErrors)
                Console.Error.Write(ErrorIsTerminal ? text : Plain(text));
            else
                Console.Out.Write(text);
            _atLineStart = text.Length == 0 ? _atLineStart : text[^1] == '\n';
        }
    }

    public void WriteErrorLine(string text)
    {
        lock (_gate)
        {
            EraseProgress();
            Console.Error.WriteLine(ErrorIsTerminal ? text : Plain(text));
            _atLineStart = true;
        }
    }

    /// <summary>A word of the runner's own, beside the streams.</summary>
    public void Note(string text) => WriteErrorLine(text);

    /// <summary>A warning, verbose or debug message.</summary>
    public void WriteMessage(string label, string style, string text) =>
        WriteErrorLine(Coloured && ErrorIsTerminal ? $"{style}{label}: {text}{PSStyle.Instance.Reset}" : $"{label}: {text}");

    /// <summary>Until it is disposed, output goes where errors go.</summary>
    public IDisposable OutputAsErrors()
    {
        _outputAsErrors = true;
        return new Restore(this);
    }

    public void ShowProgress(long source, ProgressRecord record)
    {
        lock (_gate)
            _progress.Show(source, record, _atLineStart);
    }

    public void EndProgress()
    {
        lock (_gate)
            _progress.Clear();
    }

    /// <summary>From here on questions wait for their answers, until <see cref="CancelQuestion"/>.</summary>
    public void ArmQuestions()
    {
        if (_question.IsCancellationRequested)
            _question = new CancellationTokenSource();
    }

    /// <summary>Ends a question that waits, as if its pipeline were stopped. Callable from any thread.</summary>
    public void CancelQuestion() => _question.Cancel();

    /// <summary>Shows a question where somebody sees it.</summary>
    public void Ask(string text)
    {
        lock (_gate)
        {
            EraseProgress();
            (OutputIsTerminal ? Console.Out : Console.Error).Write(text);
            _atLineStart = text.EndsWith('\n');
        }
    }

    /// <summary>Refuses, in words that say what to do, where nobody can answer.</summary>
    public void DemandSomebody(string question)
    {
        if (!CanAsk)
            throw new HostException(
                $"Nobody is there to answer: \"{question.Trim()}\". Give the value as a parameter, or -Confirm:$false where the question is a confirmation.");
    }

    public string ReadLine()
    {
        var text = new StringBuilder();
        ReadKeys(c => text.Append(c), () => text.Length > 0 && text.Remove(text.Length - 1, 1) is not null, echo: c => c.ToString());
        return text.ToString();
    }

    public SecureString ReadSecret()
    {
        var secret = new SecureString();
        ReadKeys(
            secret.AppendChar,
            () =>
            {
                if (secret.Length == 0)
                    return false;
                secret.RemoveAt(secret.Length - 1);
                return true;
            },
            echo: _ => "*");
        secret.MakeReadOnly();
        return secret;
    }

    private void ReadKeys(Action<char> append, Func<bool> removeLast, Func<char, string> echo)
    {
        var cancelled = _question.Token;
        while (true)
        {
            // ReadKey cannot be interrupted, so it is only called when a key is there. A terminal that was closed has "keys" without end.
            var stopped = cancelled.IsCancellationRequested;
            while (!stopped && !Console.KeyAvailable)
                stopped = cancelled.WaitHandle.WaitOne(15);
            var key = stopped ? default : Console.ReadKey(intercept: true);
            if (key == default)
            {
                Ask("\n");
                throw new PipelineStoppedException();
            }

            if (key.Key == ConsoleKey.Enter)
            {
                Ask("\n");
                return;
            }

            if (key is { Key: ConsoleKey.D, Modifiers: ConsoleModifiers.Control })
            {
                Ask("\n");
                throw new PipelineStoppedException();
            }

            if (key.Key == ConsoleKey.Backspace)
            {
                if (removeLast())
                    Ask("\b \b");
            }
            else if (!char.IsControl(key.KeyChar))
            {
                append(key.KeyChar);
                Ask(echo(key.KeyChar));
            }
        }
    }

    private void EraseProgress() => _progress.Erase();

    private static string Plain(string text) => text.Contains('\e', StringComparison.Ordinal) ? EscapeSequence().Replace(text, "") : text;

    [GeneratedRegex(@"\e\[[0-9;]*[A-Za-z]")]
    private static partial Regex EscapeSequence();

    private static bool EnableVirtualTerminal()
    {
        const int StandardOutput = -11;
        const int StandardError = -12;
        const uint VirtualTerminal = 4;
        var any = false;
        foreach (var stream in (ReadOnlySpan<int>)[StandardOutput, StandardError])
        {
            var handle = GetStdHandle(stream);
            any |= GetConsoleMode(handle, out var mode) && SetConsoleMode(handle, mode | VirtualTerminal);
        }

        return any;
    }

    [LibraryImport("kernel32.dll")]
    private static partial nint GetStdHandle(int stream);

    [LibraryImport("kernel32.dll")]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool GetConsoleMode(nint handle, out uint mode);

    [LibraryImport("kernel32.dll")]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool SetConsoleMode(nint handle, uint mode);

    private sealed class Restore(Terminal terminal) : IDisposable
    {
        public void Dispose() => terminal._outputAsErrors = false;
    }
}
