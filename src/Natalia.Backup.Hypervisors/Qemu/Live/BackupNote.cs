using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Live;

/// <summary>
/// What a backup records of itself beside the VM, before it makes anything there. The names of what it makes are made
/// of the run's random id, so that all of it is found from the note; without a note nothing is ours, whatever its name.
/// </summary>
internal sealed record BackupNote
{
    private const string FolderName = ".natalia", Ending = ".backup.json";
    private const int MostBytes = 64 * 1024, ShortId = 12;

    internal required string RunId { get; init; }
    internal required string RepositoryId { get; init; }
    internal required string HistoryId { get; init; }
    internal required DateTime CreatedUtc { get; init; }
    /// <summary>The frozen disks, by their ids; their order numbers what is made for each.</summary>
    internal required IReadOnlyList<string> Disks { get; init; }
    /// <summary>True while the guest's file systems may be frozen.</summary>
    internal bool IsGuestFrozen { get; init; }

    /// <summary>The bitmap that counts from this run's state on.</summary>
    internal string Bitmap => "natalia-" + RunId;

    /// <summary>The bitmap that keeps what changed until this run's state.</summary>
    internal string ChangesBitmap => Bitmap + "-changes";

    /// <summary>The overlay's node, the job that fills it and the export of it, for the disk of a number.</summary>
    internal string NameOf(int disk) =>
        // A node's name has 31 letters at most.
        $"natalia-{RunId.Substring(0, Math.Min(ShortId, RunId.Length))}-{disk.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>The overlay's file for the disk of a number.</summary>
    internal string OverlayOf(Machine machine, int disk) =>
        Path.Combine(machine.Folder, FolderName, $"{RunId}-{disk.ToString(CultureInfo.InvariantCulture)}.qcow2");

    /// <summary>The socket of the NBD server that backups of this VM share.</summary>
    internal static string ServerSocket(Machine machine) => Path.Combine(machine.Folder, FolderName, "nbd.sock");

    /// <summary>All notes of a VM. What cannot be read is none.</summary>
    internal static IReadOnlyList<BackupNote> GetAll(Machine machine)
    {
        string folder = Path.Combine(machine.Folder, FolderName);
        return Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder, "*" + Ending).Select(Read).OfType<BackupNote>()
                .OrderBy(n => n.CreatedUtc)]
            : [];
    }

    /// <summary>Writes the note, in one step, so that it outlives a power failure as well as a death.</summary>
    internal void Write(Machine machine)
    {
        string path = PathOf(machine), next = path + ".new";
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using (var file = new FileStream(next, FileMode.Create, FileAccess.Write))
        {
            byte[] text = System.Text.Encoding.UTF8.GetBytes(ToJson());
            file.Write(text, 0, text.Length);
            file.Flush(flushToDisk: true);
        }
        FileMove.Replace(next, path);
    }

    /// <summary>Takes the note away; what it stands for must be gone before.</summary>
    internal void Delete(Machine machine) => File.Delete(PathOf(machine));

    /// <summary>Whether an id can be part of names on QEMU's side and of files.</summary>
    internal static bool IsUsable(string runId) =>
        runId.Length is > 0 and <= 64
        && runId.All(c => c is >= 'a' and <= 'z' or >= 'A' and <= 'Z' or >= '0' and <= '9');

    private string PathOf(Machine machine) => Path.Combine(machine.Folder, FolderName, RunId + Ending);

    private string ToJson() => new JsonObject
    {
        ["runId"] = RunId,
        ["repositoryId"] = RepositoryId,
        ["historyId"] = HistoryId,
        ["createdUtc"] = CreatedUtc.ToString("o", CultureInfo.InvariantCulture),
        ["isGuestFrozen"] = IsGuestFrozen,
        ["disks"] = new JsonArray([.. Disks.Select(d => (JsonNode?)d)]),
    }.ToJsonString();

    private static BackupNote? Read(string path)
    {
        try
        {
            if (new FileInfo(path).Length > MostBytes) return null;
            JsonElement note = JsonAnswers.Parse(File.ReadAllBytes(path), path);
            if (note.Text("runId") is not string run || !IsUsable(run) || Path.GetFileName(path) != run + Ending
                || note.Text("repositoryId") is not string repository || note.Text("historyId") is not string history
                || !DateTime.TryParse(note.Text("createdUtc"), CultureInfo.InvariantCulture,
                    DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out DateTime created))
                return null;
            return new BackupNote
            {
                RunId = run,
                RepositoryId = repository,
                HistoryId = history,
                CreatedUtc = created,
                IsGuestFrozen = note.Flag("isGuestFrozen") == true,
                Disks = [.. note.Member("disks").Items().Select(d => d.ToString())],
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NataliaException)
        {
            return null;
        }
    }
}
