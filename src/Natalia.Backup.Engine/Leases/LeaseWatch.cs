using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace Natalia.Backup.Engine.Leases;

/// <summary>
/// Since when this machine sees a lease without a change, by its own steady clock, which no one sets. It is remembered
/// in the process, and beside the lock files for runs that come later: theirs is the same clock until the machine
/// starts again, after which it tells less than what is true, never more.
/// </summary>
internal sealed class LeaseWatch(string? lockDirectory, string repositoryId, string applianceId, TimeProvider clock)
{
    private static readonly ConcurrentDictionary<(TimeProvider, string), (string Signature, double Seconds)> s_seen =
        new();

    private readonly string _key = repositoryId + "-" + applianceId;

    /// <summary>Looks at a lease.</summary>
    /// <param name="signature">What changes with every sign of life of its holder.</param>
    /// <returns>For how long it has been the same; zero when it is seen for the first time.</returns>
    internal TimeSpan See(string signature)
    {
        double now = clock.GetTimestamp() / (double)clock.TimestampFrequency;
        foreach ((string Signature,
            double Seconds)? before in new[] { s_seen.TryGetValue((clock, _key), out (string, double) here)
            ? here
            : ((string, double)?)null, Read() })
        {
            if (before is var (seen, since) && seen == signature && since <= now)
                return TimeSpan.FromSeconds(now - since);
        }
        s_seen[(clock, _key)] = (signature, now);
        Write(signature + "\n" + now.ToString("R", CultureInfo.InvariantCulture));
        return TimeSpan.Zero;
    }

    /// <summary>The lease is free, or was taken over.</summary>
    internal void Forget()
    {
        s_seen.TryRemove((clock, _key), out _);
        if (Path is not string path || !File.Exists(path)) return;
        try
        {
            File.Delete(path);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            // What it says is of a lease that will not be seen again.
        }
    }

    /// <summary>
    /// Null where clocks of different machines could meet in one file: a home folder may lie on a server.
    /// </summary>
    private string? Path =>
        lockDirectory is not null && s_clockName is string name
            ? System.IO.Path.Combine(lockDirectory, _key + "." + name + ".seen")
            : null;

    /// <summary>Names the steady clock of this machine since its start; null where nothing does.</summary>
    private static readonly string? s_clockName = FindClockName();

    private static string? FindClockName()
    {
        string machine =
            new([.. Environment.MachineName.ToLowerInvariant()
                .Where(c => c is >= 'a' and <= 'z' or >= '0' and <= '9' or '-')]);
        if (System.IO.Path.DirectorySeparatorChar == '\\') return machine;
        try
        {
            return machine + "-" + File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private (string, double)? Read()
    {
        if (Path is not string path) return null;
        try
        {
            string[] lines = File.Exists(path) ? File.ReadAllText(path, Encoding.ASCII).Split('\n') : [];
            return lines.Length == 2
                && double.TryParse(lines[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds)
                ? (lines[0], seconds)
                : null;
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void Write(string text)
    {
        if (Path is not string path) return;
        try
        {
            Directory.CreateDirectory(lockDirectory!);
            File.WriteAllText(path, text, Encoding.ASCII);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            // Then the process alone remembers it.
        }
    }
}
