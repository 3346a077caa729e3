using System.Globalization;
using System.Management.Automation.Host;

namespace Natalia.Backup.Tests;

/// <summary>A host that keeps the warnings which come past the pipeline.</summary>
internal sealed class RecordingHost : PSHost
{
    private readonly Interface _interface = new();

    internal IReadOnlyList<string> Warnings => _interface.Warnings;

    public override string Name => "RecordingHost";

    public override Version Version { get; } = new(1, 0);

    public override Guid InstanceId { get; } = Guid.NewGuid();

    public override PSHostUserInterface UI => _interface;

    public override CultureInfo CurrentCulture => CultureInfo.InvariantCulture;

    public override CultureInfo CurrentUICulture => CultureInfo.InvariantCulture;

    public override void EnterNestedPrompt() { }

    public override void ExitNestedPrompt() { }

    public override void NotifyBeginApplication() { }

    public override void NotifyEndApplication() { }

    public override void SetShouldExit(int exitCode) { }

    private sealed class Interface : PSHostUserInterface
    {
        internal List<string> Warnings { get; } = [];

        public override PSHostRawUserInterface? RawUI => null;

        public override void WriteWarningLine(string message) => Warnings.Add(message);

        public override void Write(string value) { }

        public override void Write(ConsoleColor foregroundColor, ConsoleColor backgroundColor, string value) { }

        public override void WriteLine(string value) { }

        public override void WriteErrorLine(string value) { }

        public override void WriteDebugLine(string message) { }

        public override void WriteVerboseLine(string message) { }

        public override void WriteProgress(long sourceId, System.Management.Automation.ProgressRecord record) { }

        public override string ReadLine() => throw new HostException("Nobody is there.");

        public override System.Security.SecureString ReadLineAsSecureString() => throw new HostException("Nobody is there.");

        public override Dictionary<string, System.Management.Automation.PSObject> Prompt(string caption, string message, System.Collections.ObjectModel.Collection<FieldDescription> descriptions) => throw new HostException("Nobody is there.");

        public override int PromptForChoice(string caption, string message, System.Collections.ObjectModel.Collection<ChoiceDescription> choices, int defaultChoice) => throw new HostException("Nobody is there.");

        public override System.Management.Automation.PSCredential PromptForCredential(string caption, string message, string userName, string targetName) => throw new HostException("Nobody is there.");

        public override System.Management.Automation.PSCredential PromptForCredential(string caption, string message, string userName, string targetName, System.Management.Automation.PSCredentialTypes allowedCredentialTypes, System.Management.Automation.PSCredentialUIOptions options) =>
            throw new HostException("Nobody is there.");
    }
}
