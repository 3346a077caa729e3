namespace Natalia.Backup.Operations.Schedules.Systemd;

/// <summary>The programs of systemd that talk to its running manager. Any thread.</summary>
internal interface ISystemdControl
{
    /// <summary>Why no manager can be talked to, as the end of a sentence; null when one can.</summary>
    string? Obstacle { get; }

    /// <summary>Runs <c>systemctl</c> for the manager in question.</summary>
    /// <param name="arguments">Its arguments.</param>
    Task<ProgramResult> ControlAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken);

    /// <summary>Runs <c>systemd-run</c> for the manager in question.</summary>
    /// <param name="arguments">Its arguments.</param>
    Task<ProgramResult> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken);
}

/// <summary>How a program ended.</summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Output">What it wrote to standard output.</param>
/// <param name="Errors">What it wrote to standard error.</param>
internal sealed record ProgramResult(int ExitCode, string Output, string Errors);
