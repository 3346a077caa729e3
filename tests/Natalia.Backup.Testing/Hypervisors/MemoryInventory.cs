using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>
/// What a memory hypervisor consists of, whoever is connected to it: VMs, and networks to connect them to.
/// </summary>
public sealed class MemoryInventory
{
    private int _lastId = 100;

    public MemoryInventory() => Add(new MemoryVM { Name = "original", Networks = ["lan"] });

    public Dictionary<string, MemoryVM> VMs { get; } = [];

    public HashSet<string> Networks { get; } = ["lan", "lab", "nowhere"];

    /// <summary>What guests run by full path, and what that answers.</summary>
    public Dictionary<string, (int ExitCode, string Output)> Programs { get; } = [];

    public bool GuestsAnswer { get; set; } = true;

    /// <summary>What guests run, before <see cref="Programs"/> are looked at; null leaves it to those.</summary>
    public Func<GuestCommand, CancellationToken, Task<GuestCommandResult>>? OnRun { get; set; }

    /// <summary>Who a guest was opened as at last; null for nobody.</summary>
    public GuestCredential? Login { get; set; }

    /// <summary>Called with the wait for a guest and its limit; throws where the guest does not answer.</summary>
    public Func<TimeSpan, CancellationToken, Task>? OnOpen { get; set; }

    /// <summary>Called with the name of each call before it is carried out; throws to make it fail.</summary>
    public Action<string>? OnCall { get; set; }

    /// <summary>Called when the way into a guest is closed; throws to make that fail.</summary>
    public Action? OnClose { get; set; }

    /// <summary>What cannot be looked at now, as the hosts that are down.</summary>
    public List<string> Unseen { get; } = [];

    public string Add(MemoryVM vm)
    {
        string id = $"{_lastId++}";
        VMs.Add(id, vm);
        return id;
    }
}
