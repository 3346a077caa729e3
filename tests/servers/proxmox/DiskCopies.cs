using System.Text.Json.Nodes;

namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>
/// Disks as they are at one moment, read while the guest goes on to write: QEMU's own backup jobs, begun together, as
/// vzdump uses them. The images are raw ones, where vzdump writes an archive of its own.
/// </summary>
internal sealed class DiskCopies
{
    private readonly RealMachine _machine;
    private readonly List<string> _open;

    /// <summary>Begins to copy; what is copied is the disks of this moment.</summary>
    /// <param name="targets">The image that each disk is copied to, by the disk's key; it is made.</param>
    internal DiskCopies(RealMachine machine, IReadOnlyDictionary<string, string> sources,
        IReadOnlyDictionary<string, string> targets)
    {
        _machine = machine;
        _open = [.. targets.Keys];
        foreach ((string disk, string file) in targets)
        {
            using (FileStream made = File.Create(file)) made.SetLength(new FileInfo(sources[disk]).Length);
            machine.Monitor("blockdev-add", new JsonObject
            {
                ["driver"] = "raw",
                ["node-name"] = Target(disk),
                ["discard"] = "unmap",
                ["detect-zeroes"] = "unmap",
                ["cache"] = new JsonObject { ["no-flush"] = true },
                ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = file },
            });
        }
        machine.Monitor("transaction", new JsonObject
        {
            ["actions"] = new JsonArray([.. targets.Keys.Select(disk => (JsonNode)new JsonObject
            {
                ["type"] = "blockdev-backup",
                ["data"] = new JsonObject
                {
                    ["job-id"] = Job(disk),
                    ["device"] = RealMachine.Node(disk),
                    ["target"] = Target(disk),
                    ["sync"] = "full",
                    ["auto-dismiss"] = false,
                },
            })]),
        });
    }

    /// <summary>What a copy failed with; null as long as none did.</summary>
    internal string? Error { get; private set; }

    /// <summary>Looks whether all of them are over.</summary>
    internal bool AreOver()
    {
        try
        {
            foreach (JsonNode? job in (JsonArray)_machine.Monitor("query-jobs")!)
            {
                string? disk = _open.Find(d => Job(d) == (string?)job!["id"]);
                if (disk is null || (string?)job!["status"] != "concluded") continue;
                Error ??= (string?)job["error"];
                _machine.Monitor("job-dismiss", new JsonObject { ["id"] = Job(disk) });
                _machine.Monitor("blockdev-del", new JsonObject { ["node-name"] = Target(disk) });
                _open.Remove(disk);
            }
        }
        catch (Exception e) when (e is RefusedException or IOException or TimeoutException)
        {
            Error ??= e.Message;
            _open.Clear();
        }
        return _open.Count == 0;
    }

    /// <summary>Stops what is not over.</summary>
    internal void Cancel()
    {
        foreach (string disk in _open)
            _machine.Monitor("job-cancel", new JsonObject { ["id"] = Job(disk) });
        while (!AreOver()) Thread.Yield();
    }

    private static string Job(string disk) => "backup-" + disk;

    private static string Target(string disk) => "target-" + disk;
}
