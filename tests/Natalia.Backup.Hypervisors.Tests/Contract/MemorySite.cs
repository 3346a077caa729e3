namespace Natalia.Backup.Hypervisors.Tests.Contract;

/// <summary>What a memory hypervisor consists of, whoever is connected to it: VMs, and networks to connect them to.</summary>
internal sealed class MemorySite
{
    private int _lastId = 100;

    internal MemorySite() => Add(new MemoryVM { Name = "original", Networks = ["lan"] });

    internal Dictionary<string, MemoryVM> VMs { get; } = [];

    internal HashSet<string> Networks { get; } = ["lan", "lab", "nowhere"];

    /// <summary>What guests run by full path, and what that answers.</summary>
    internal Dictionary<string, (int ExitCode, string Output)> Programs { get; } = [];

    internal bool GuestsAnswer { get; set; } = true;

    internal string Add(MemoryVM vm)
    {
        string id = $"{_lastId++}";
        VMs.Add(id, vm);
        return id;
    }
}
