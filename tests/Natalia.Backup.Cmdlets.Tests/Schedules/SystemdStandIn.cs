using Natalia.Backup.Operations.Schedules.Systemd;

namespace Natalia.Backup.Cmdlets.Tests.Schedules;

/// <summary>
/// Stands in for a running systemd, after systemctl(1): it remembers which timers are on, and refuses units whose files
/// are not there. A model of ours, not systemd.
/// </summary>
internal sealed class SystemdStandIn : ISystemdControl
{
    private int _failAt = -1;
    private Action? _stop;

    /// <summary>A word that this systemctl does not know.</summary>
    internal string? Refused { get; set; }
    internal string Folder { get; set; } = "";
    internal List<string> Calls { get; } = [];
    internal bool HasFailed { get; private set; }
    internal string Timer { get; set; } = "";
    internal string Service { get; set; } = "";
    internal ProgramResult Run { get; set; } = new(0, "", "");
    internal Action OnRun { get; set; } = () => { };
    public string? Obstacle { get; set; }

    /// <summary>What would be started with the machine: as for systemd, links in a folder.</summary>
    internal IEnumerable<string> Enabled => Directory.Exists(Wants)
        ? Directory.EnumerateFileSystemEntries(Wants).Select(f => Path.GetFileName(f))
        : [];

    private string Wants => Path.Combine(Folder, "timers.target.wants");

    internal void FailAt(int call, Action? stop) => (_failAt, _stop) = (Calls.Count + call, stop);

    public Task<ProgramResult> ControlAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        int call = Calls.Count;
        Calls.Add(string.Join(" ", arguments));
        if (call == _failAt)
        {
            HasFailed = true;
            _stop?.Invoke();
            cancellationToken.ThrowIfCancellationRequested();
            if (_stop is null) return Task.FromResult(new ProgramResult(1, "", "Access denied"));
        }
        cancellationToken.ThrowIfCancellationRequested();
        if (arguments[0] == Refused)
            return Task.FromResult(new ProgramResult(1, "", $"Unknown command verb {Refused}."));
        switch (arguments[0])
        {
            case "enable" or "disable":
                Assert.Equal("--now", arguments[1]);
                foreach (string timer in arguments.Skip(2))
                {
                    if (!File.Exists(Path.Combine(Folder, timer)))
                        return Task.FromResult(new ProgramResult(1, "", $"Unit file {timer} does not exist."));
                    Directory.CreateDirectory(Wants);
                    File.Delete(Path.Combine(Wants, timer));
                    if (arguments[0] == "enable") File.WriteAllText(Path.Combine(Wants, timer), "");
                }
                break;
            case "show":
                Assert.Equal("--timestamp=unix", arguments[2]);
                return Task.FromResult(new ProgramResult(0,
                    arguments[1].EndsWith(".timer", StringComparison.Ordinal)
                        ? (Timer.Contains("ActiveState=") ? "" : "ActiveState=active\n") + Timer
                        : Service,
                    ""));
            default:
                Assert.Contains(arguments[0], new[] { "daemon-reload", "restart", "stop", "clean" });
                break;
        }
        return Task.FromResult(new ProgramResult(0, "", ""));
    }

    public Task<ProgramResult> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        Calls.Add(string.Join(" ", arguments));
        OnRun();
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(Run);
    }
}
