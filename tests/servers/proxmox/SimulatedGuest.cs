namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>A VM of the simulated cluster.</summary>
internal sealed class SimulatedGuest
{
    internal required int Vmid { get; init; }
    internal required string Node { get; set; }
    internal Dictionary<string, string> Config { get; init; } = [];
    /// <summary>The real VM that carries it; null while it is off, and where the tables are all there is.</summary>
    internal RealMachine? Machine { get; set; }
    internal bool Running { get => Machine?.IsRunning ?? field; set; } = true;
    internal string? Lock { get; set; }
    /// <summary>
    /// Where the overview says that it is, while that lags behind a migration; null when it is right.
    /// </summary>
    internal string? ListedNode { get; set; }
    /// <summary>What the overview says of its power, while that lags behind; null when it is right.</summary>
    internal string? ListedStatus { get; set; }
    internal bool AgentAnswers { get; set; } = true;
    /// <summary>What the agent says to a freeze; null when it works.</summary>
    internal string? FreezeError { get; set; }
    /// <summary>What the agent says to a thaw; null when it works.</summary>
    internal string? ThawError { get; set; }
    internal string? Pool { get; set; }
    internal string? HaState { get; set; }
    internal HashSet<string> Bitmaps { get; } = [];
    internal List<SimulatedSnapshot> Snapshots { get; } = [];
    internal Dictionary<int, SimulatedProcess> Processes { get; } = [];
    /// <summary>What a command prints, by the command line; what is not here fails with 127.</summary>
    internal Dictionary<string, SimulatedProcess> Programs { get; } = [];
    internal int Revision { get; set; }

    internal string Name => Config.GetValueOrDefault("name", "VM " + Vmid);
    internal string Digest => (Vmid * 1000003L + Revision).ToString("x40");
}

internal sealed record SimulatedSnapshot(string Name, DateTimeOffset Time, bool VmState)
{
    internal string Description { get; set; } = "";
}

internal sealed record SimulatedProcess(int ExitCode, string Output, string Error = "", int PollsBeforeEnd = 1)
{
    internal int Polls { get; set; }
}

/// <summary>A storage of the simulated cluster.</summary>
internal sealed class SimulatedStorage
{
    internal required string Name { get; init; }
    internal required string Type { get; init; }
    internal bool Shared { get; init; }
    internal string Content { get; init; } = "backup";
    internal List<string> Nodes { get; init; } = [];
    internal HashSet<string> InactiveNodes { get; } = [];
    internal List<SimulatedPoint> Points { get; } = [];
    /// <summary>
    /// The storage's own retention, which holds for every run that brings none; null when it has none.
    /// </summary>
    internal string? PruneBackups { get; set; }
    /// <summary>What the storage's own rights make a removal answer; null when they suffice.</summary>
    internal string? RemovalError { get; set; }
}

internal sealed class SimulatedPoint
{
    internal required string Volid { get; init; }
    internal required int Vmid { get; init; }
    internal required DateTimeOffset Time { get; init; }
    internal string? Node { get; init; }
    internal long? Size { get; set; }
    internal long? ApproximateSize { get; set; }
    /// <summary>A backup server lists it before it has its index, and then without a size; the node says 1
    /// (PBSPlugin.pm, list_volumes: <c>size => $item->{size} // 1</c>).</summary>
    internal bool IsUnfinished => Volid.Contains(":backup/vm/") && (Size ?? 1) == 1 && ApproximateSize is null;
    internal bool Protected { get; set; }
    internal string Notes { get; set; } = "";
    internal string? VerifyState { get; set; }
    internal string? VerifyUpid { get; set; }
    internal string? Encrypted { get; set; }
    internal string ConfigText { get; set; } = "";
    internal string Subtype { get; init; } = "qemu";
    internal List<string> IncludedDisks { get; init; } = [];
    /// <summary>Whether the file bears a name that the server did not give: its time is then the file's own.</summary>
    internal bool IsRenamed { get; init; }
}

/// <summary>A task: what it says and does when, and how it ends.</summary>
internal sealed class SimulatedTask
{
    internal required string Upid { get; init; }
    internal required string Node { get; init; }
    internal required string Type { get; init; }
    internal required string Id { get; init; }
    internal required string User { get; init; }
    internal required DateTimeOffset Start { get; init; }
    internal List<(TimeSpan After, string? Line, Action? Effect)> Steps { get; } = [];
    internal List<string> Log { get; } = [];
    internal string? ExitStatus { get; set; }
    internal DateTimeOffset? End { get; set; }
    internal int NextStep { get; set; }
    internal Action? OnStop { get; set; }
    internal bool IsLost { get; set; }
    /// <summary>
    /// Looks whether what really goes on is over, without which the last step is not taken; null where the clock alone
    /// decides.
    /// </summary>
    internal Func<bool>? Until { get; set; }
}
