using System.Collections.ObjectModel;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Security;
using System.Text;

namespace Natalia.Backup.Testing;

/// <summary>
/// A host that keeps what it is told to show, and answers questions from a list. Without answers it refuses, as a host
/// does that nobody sits at.
/// </summary>
public sealed class RecordingHost : PSHost
{
    private readonly RecordingInterface _interface;

    private readonly Queue<string> _answers;

    public RecordingHost(params string[] answers) =>
        _interface = new RecordingInterface(_answers = new Queue<string>(answers));

    /// <summary>The text shown so far.</summary>
    public string Text => _interface.Shown.ToString();

    /// <summary>The warnings shown so far: those that came past the pipeline.</summary>
    public IReadOnlyList<string> Warnings => _interface.Warnings;

    /// <summary>The questions asked so far.</summary>
    public IReadOnlyList<string> Questions => _interface.Questions;

    public override string Name => "RecordingHost";

    public override Version Version { get; } = new(1, 0);

    public override Guid InstanceId { get; } = Guid.NewGuid();

    public override PSHostUserInterface UI => _interface;

    public override CultureInfo CurrentCulture => CultureInfo.InvariantCulture;

    public override CultureInfo CurrentUICulture { get; } = CultureInfo.GetCultureInfo("en-US");

    /// <summary>The answer to a question that is still to come.</summary>
    public void Reply(string answer) => _answers.Enqueue(answer);

    public void Clear() => _interface.Shown.Clear();

    public override void EnterNestedPrompt() => throw new NotSupportedException();

    public override void ExitNestedPrompt() => throw new NotSupportedException();

    public override void NotifyBeginApplication()
    {
    }

    public override void NotifyEndApplication()
    {
    }

    public override void SetShouldExit(int exitCode)
    {
    }

    private sealed class RecordingInterface(Queue<string> answers) : PSHostUserInterface
    {
        public StringBuilder Shown { get; } = new();

        public List<string> Questions { get; } = [];

        public List<string> Warnings { get; } = [];

        public override PSHostRawUserInterface RawUI { get; } = new FixedSize();

        public override void Write(string value) => Shown.Append(value);

        public override void Write(ConsoleColor foregroundColor, ConsoleColor backgroundColor, string value) =>
            Write(value);

        public override void WriteLine(string value) => Shown.Append(value).Append('\n');

        public override void WriteErrorLine(string value) => WriteLine(value);

        public override void WriteDebugLine(string message) => WriteLine("DEBUG: " + message);

        public override void WriteVerboseLine(string message) => WriteLine("VERBOSE: " + message);

        public override void WriteWarningLine(string message)
        {
            Warnings.Add(message);
            WriteLine("WARNING: " + message);
        }

        public override void WriteProgress(long sourceId, ProgressRecord record)
        {
        }

        public override string ReadLine() => Answer("");

        public override SecureString ReadLineAsSecureString() => Secure(Answer(""));

        public override Dictionary<string, PSObject> Prompt(string caption, string message,
            Collection<FieldDescription> descriptions) =>
            descriptions.ToDictionary(
                d => d.Name,
                d =>
                {
                    var answer = Answer(d.Name);
                    return PSObject.AsPSObject(d.ParameterTypeFullName == typeof(SecureString).FullName
                        ? Secure(answer)
                        : answer);
                });

        public override int PromptForChoice(string caption, string message, Collection<ChoiceDescription> choices,
            int defaultChoice)
        {
            var answer = Answer(message);
            return choices.Select((c, i) => (c, i))
                .First(p => p.c.Label.Replace("&", "", StringComparison.Ordinal) == answer).i;
        }

        public override PSCredential PromptForCredential(string caption, string message, string userName,
            string targetName) =>
            new(userName, Secure(Answer(message)));

        public override PSCredential PromptForCredential(
            string caption, string message, string userName, string targetName,
            PSCredentialTypes allowedCredentialTypes, PSCredentialUIOptions options) =>
            PromptForCredential(caption, message, userName, targetName);

        private string Answer(string question)
        {
            Questions.Add(question);
            return answers.TryDequeue(out var answer)
                ? answer
                : throw new HostException($"Nobody is there to answer '{question}'.");
        }

        private static SecureString Secure(string text)
        {
            var secure = new SecureString();
            foreach (var c in text)
                secure.AppendChar(c);
            secure.MakeReadOnly();
            return secure;
        }
    }

    private sealed class FixedSize : PSHostRawUserInterface
    {
        public override Size BufferSize { get; set; } = new(120, 50);

        public override Size WindowSize { get; set; } = new(120, 50);

        public override Size MaxWindowSize => WindowSize;

        public override Size MaxPhysicalWindowSize => WindowSize;

        public override Coordinates CursorPosition { get; set; }

        public override Coordinates WindowPosition { get; set; }

        public override int CursorSize { get; set; } = 25;

        public override ConsoleColor ForegroundColor { get; set; } = ConsoleColor.Gray;

        public override ConsoleColor BackgroundColor { get; set; } = ConsoleColor.Black;

        public override string WindowTitle { get; set; } = "";

        public override bool KeyAvailable => false;

        // As a console does: letters of Chinese, Japanese and Korean take two columns.
        public override int LengthInBufferCells(char source) => source is >= '\u2e80' and <= '\uffe6' ? 2 : 1;

        public override int LengthInBufferCells(string source) => source.Sum(LengthInBufferCells);

        public override int LengthInBufferCells(string source, int offset) => LengthInBufferCells(source[offset..]);

        public override KeyInfo ReadKey(ReadKeyOptions options) =>
            throw new HostException("Nobody is there to press a key.");

        public override void FlushInputBuffer()
        {
        }

        public override BufferCell[,] GetBufferContents(Rectangle rectangle) => throw new NotSupportedException();

        public override void SetBufferContents(Coordinates origin, BufferCell[,] contents) =>
            throw new NotSupportedException();

        public override void SetBufferContents(Rectangle rectangle, BufferCell fill) =>
            throw new NotSupportedException();

        public override void ScrollBufferContents(Rectangle source, Coordinates destination, Rectangle clip,
            BufferCell fill) =>
            throw new NotSupportedException();
    }
}
