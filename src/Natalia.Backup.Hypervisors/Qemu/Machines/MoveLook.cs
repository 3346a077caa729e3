using System.Text.Json;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// What a VM says of the jobs that move its disks, and what is to be done about it. Pure. A job that could not read or
/// write pauses, and a VM of whose disks that is true is halted by QEMU: neither has lost anything, and both go on when
/// they are told to.
/// </summary>
/// <remarks>The words are QEMU's: BlockJobInfo, JobStatus, BlockDeviceIoStatus, RunState (qapi of QEMU 7.2).</remarks>
internal sealed record MoveLook
{
    /// <summary>The state of a VM that QEMU has halted, because its disk could not be read or written.</summary>
    internal const string Halted = "io-error";

    private const string Concluded = "concluded", NoSpace = "nospace", Failed = "failed";

    /// <summary>A job that is not there; null when all are.</summary>
    internal string? Missing { get; private init; }

    /// <summary>
    /// The jobs that have failed, which those do that cannot even ask what there is to be copied. Nothing is lost by
    /// that: the VM has what was served to it still, and they can be begun anew.
    /// </summary>
    internal IReadOnlyList<string> Failures { get; private init; } = [];

    /// <summary>Whether every disk was copied, and what is written goes to both: it can be given its image.</summary>
    internal bool IsReady { get; private init; }

    /// <summary>Whether all jobs have ended well.</summary>
    internal bool IsOver { get; private init; }

    /// <summary>The jobs that are ready to be completed.</summary>
    internal IReadOnlyList<string> Ready { get; private init; } = [];

    /// <summary>The jobs that are to be let go on: they pause.</summary>
    internal IReadOnlyList<string> Paused { get; private init; } = [];

    /// <summary>Whether the VM is <see cref="Halted"/>.</summary>
    internal bool IsHalted { get; private init; }

    /// <summary>Whether an image could not be written for lack of room.</summary>
    internal bool IsOutOfRoom { get; private init; }

    /// <summary>Whether a disk could not be read, or an image not be written for another reason.</summary>
    internal bool HasFailedRequest { get; private init; }

    /// <summary>How much has been copied, in bytes, and of how much.</summary>
    internal (long Done, long Of) Bytes { get; private init; }

    /// <summary>Whether time does not count: it goes on when somebody else has done something.</summary>
    internal bool IsWaiting => IsHalted || Paused.Count + Failures.Count > 0;

    /// <summary>Judges two answers of one look.</summary>
    /// <param name="wanted">The names of the jobs.</param>
    /// <param name="all">What <c>query-block-jobs</c> said.</param>
    /// <param name="status">The VM's state, by <c>query-status</c>.</param>
    internal static MoveLook Of(IReadOnlyCollection<string> wanted, IReadOnlyList<JsonElement> all, string? status)
    {
        var jobs = new List<JsonElement>();
        string? missing = null;
        foreach (string name in wanted)
        {
            JsonElement? found = null;
            foreach (JsonElement one in all)
                if (one.Text("device") == name) found = one;
            if (found is JsonElement job) jobs.Add(job);
            else missing ??= name;
        }
        List<JsonElement> failed = jobs.FindAll(j => j.Text("error") is not null);
        List<JsonElement> open = jobs.FindAll(j => j.Text("status") != Concluded);
        // One that could not write says ready as well, while it pauses.
        List<JsonElement> ready = open.FindAll(j => j.Flag("ready") == true && j.Flag("paused") != true);
        return new MoveLook
        {
            Missing = missing,
            Failures = Names(failed),
            IsOver = missing is null && failed.Count == 0 && open.Count == 0,
            IsReady = missing is null && failed.Count == 0 && open.Count == ready.Count,
            Ready = Names(ready),
            // Whatever the status of its last request: that is forgotten when the VM is let go on.
            Paused = Names(open.FindAll(j => j.Flag("paused") == true)),
            IsHalted = status == Halted,
            IsOutOfRoom = open.Exists(j => j.Text("io-status") == NoSpace),
            HasFailedRequest = failed.Count > 0 || open.Exists(j => j.Text("io-status") == Failed),
            Bytes = (jobs.Sum(j => j.Number("offset") ?? 0), jobs.Sum(j => j.Number("len") ?? 0)),
        };
    }

    private static List<string> Names(List<JsonElement> jobs) => [.. jobs.Select(j => j.Text("device")!)];
}
