using System.Globalization;
using System.Management.Automation.Host;
using Natalia.Backup.Host.Screen;

namespace Natalia.Backup.Host;

/// <summary>The runner, as the engine sees it.</summary>
internal sealed class EngineHost(Terminal terminal) : PSHost
{
    private readonly TerminalInterface _interface = new(terminal);

    public int? Exit { get; private set; }

    public override string Name => "natalia";

    public override Version Version { get; } = Version.Parse(Program.Version.Split('-')[0]);

    public override Guid InstanceId { get; } = Guid.NewGuid();

    public override PSHostUserInterface UI => _interface;

    public override CultureInfo CurrentCulture => CultureInfo.CurrentCulture;

    public override CultureInfo CurrentUICulture => CultureInfo.CurrentUICulture;

    public override void SetShouldExit(int exitCode) => Exit = exitCode;

    public override void EnterNestedPrompt() => throw new NotSupportedException("natalia has no nested prompt.");

    public override void ExitNestedPrompt() => throw new NotSupportedException("natalia has no nested prompt.");

    public override void NotifyBeginApplication()
    {
    }

    public override void NotifyEndApplication()
    {
    }
}
