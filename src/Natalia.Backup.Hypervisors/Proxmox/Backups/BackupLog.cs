using System.Globalization;
using System.Text.RegularExpressions;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>What the log of a vzdump task says, read line by line while it runs.</summary>
internal sealed class BackupLog
{
    private static readonly Regex s_include = new(@"include disk '(?<disk>[^']+)' '(?<volume>[^']*)'(?: (?<size>\S+))?",
        RegexOptions.CultureInvariant);
    private static readonly Regex s_exclude =
        new(@"exclude disk '(?<disk>[^']+)' '(?<volume>[^']*)'(?: \((?<why>[^)]*)\))?",
        RegexOptions.CultureInvariant);
    private static readonly Regex s_bitmap =
        new(@"(?:INFO: )?(?:drive-)?(?<disk>[a-z]+\d+(?:-backup)?): dirty-bitmap status: (?<text>.+)$",
        RegexOptions.CultureInvariant);
    private static readonly Regex s_dirty = new(@"^OK \((?<dirty>[\d.]+ \w+) of (?<total>[\d.]+ \w+) dirty\)",
        RegexOptions.CultureInvariant);
    private static readonly Regex s_progress = new(@"\d+% \((?<done>[\d.]+ \w+) of (?<total>[\d.]+ \w+)\)",
        RegexOptions.CultureInvariant);
    private static readonly Regex s_backupServerArchive =
        new(@"creating Proxmox Backup Server archive '(?<name>[^']+)'",
        RegexOptions.CultureInvariant);
    private static readonly Regex s_fileArchive = new(@"creating (?:vzdump )?archive '(?<name>[^']+)'",
        RegexOptions.CultureInvariant);
    private readonly List<NativeBackupDisk> _disks = [];
    private readonly List<string> _errors = [];

    internal FreezeEvidence Freeze { get; } = new();

    internal IReadOnlyList<NativeBackupDisk> Disks => _disks;

    /// <summary>
    /// The archive's name: <c>vm/100/…Z</c> on a backup server, else the file's name without its folder; null before it
    /// is begun.
    /// </summary>
    internal string? Archive { get; private set; }

    internal bool WasRunning { get; private set; } = true;

    internal bool IsFinished { get; private set; }

    internal long DoneBytes { get; private set; }

    internal long? TotalBytes { get; private set; }

    internal IReadOnlyList<string> Errors => _errors;

    internal void Read(string line)
    {
        Freeze.Read(line);
        if (s_include.Match(line) is { Success: true } include)
            Put(new NativeBackupDisk(include.Groups["disk"].Value, true, null, null,
                Cluster.GuestDrive.ParseSize(include.Groups["size"].Value)));
        else if (s_exclude.Match(line) is { Success: true } exclude)
            Put(new NativeBackupDisk(exclude.Groups["disk"].Value, false, null, null, null));
        else if (s_bitmap.Match(line) is { Success: true } bitmap)
            ReadBitmap(bitmap.Groups["disk"].Value.Replace("-backup", ""), bitmap.Groups["text"].Value.Trim());
        else if (s_progress.Match(line) is { Success: true } progress)
            (DoneBytes, TotalBytes) = (ParseBytes(progress.Groups["done"].Value) ?? DoneBytes,
                ParseBytes(progress.Groups["total"].Value) ?? TotalBytes);
        else if (s_backupServerArchive.Match(line) is { Success: true } onServer)
            Archive = onServer.Groups["name"].Value;
        else if (s_fileArchive.Match(line) is { Success: true } file)
            Archive = file.Groups["name"].Value.Split('/').Last();
        else if (line.Contains("status = stopped"))
            WasRunning = false;
        else if (line.Contains("Finished Backup of VM"))
            IsFinished = true;
        if (line.StartsWith("ERROR:", StringComparison.Ordinal)) _errors.Add(line.Substring(6).Trim());
    }

    private void ReadBitmap(string disk, string text)
    {
        NativeBackupDisk known = _disks.FirstOrDefault(d => d.DiskId == disk)
            ?? new NativeBackupDisk(disk, true, null, null, null);
        long? dirty = s_dirty.Match(text) is { Success: true } m
            ? ParseBytes(m.Groups["dirty"].Value)
            : text.StartsWith("OK (drive clean)", StringComparison.Ordinal) ? 0 : null;
        Put(known with { ChangeTracking = text, DirtyBytes = dirty });
    }

    private void Put(NativeBackupDisk disk)
    {
        _disks.RemoveAll(d => d.DiskId == disk.DiskId);
        _disks.Add(disk);
    }

    /// <summary>A number with B, KiB, MiB, GiB, TiB behind it.</summary>
    internal static long? ParseBytes(string text)
    {
        string[] parts = text.Split(' ');
        int shift = parts.Length < 2 ? 0 : parts[1] switch
        {
            "KiB" or "KB" => 10,
            "MiB" or "MB" => 20,
            "GiB" or "GB" =>
            30,
            "TiB" or "TB" => 40,
            _ => 0
        };
        return double.TryParse(parts[0], NumberStyles.Float, CultureInfo.InvariantCulture, out double n)
            ? (long)(n * (1L << shift))
            : null;
    }
}
