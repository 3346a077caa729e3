using System.Diagnostics;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Benchmarks;

/// <summary>Makes the repository that measure.ps1 measures: years of many appliances.</summary>
internal static class FleetMaker
{
    internal static async Task RunAsync(string folder, int appliances, int recorded, int kept, bool recordsRemovals)
    {
        long started = Stopwatch.GetTimestamp();
        bool isThere = Directory.Exists(folder);
        var store = new UnsafeStore(FolderStore.Open(folder, create: !isThere), folder);
        var options = new RepositoryOptions { Label = "fleet" };
        using Repository repository = isThere
            ? await Repository.OpenAsync(store, null, options, default)
            : await Repository.CreateAsync(store, null, options, default);
        // Goes on where it was stopped; the one that was in the making is made anew.
        int there = 0;
        for (; Directory.Exists(LogOf(there)); there++) { }
        if (there > 0) Directory.Delete(Path.GetDirectoryName(LogOf(--there))!, recursive: true);
        await new Fleet
        {
            Appliances = appliances,
            From = there,
            Recorded = recorded,
            Kept = kept,
            RecordsRemovals = recordsRemovals,
        }.MakeAsync(
            repository, store, DateTime.UtcNow.AddMinutes(-30), done =>
            {
                if (done % 10 == 0)
                    Console.WriteLine($"  {done:N0} appliances, {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s");
            });

        string LogOf(int number) => Path.Combine(folder, "appliances", Fleet.IdOf(number), "log");
    }

    /// <summary>
    /// Writes the records of logs as plain files, without what makes them durable: a benchmark's years are made in
    /// minutes, and lost with the machine.
    /// </summary>
    private sealed class UnsafeStore(IObjectStore inner, string root) : WrappedStore(inner)
    {
        public override Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken)
        {
            if (!name.Contains("/log/", StringComparison.Ordinal))
                return base.PutAsync(name, content, options, cancellationToken);
            string path = Path.Combine(root, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, content.ToArray());
            return Task.CompletedTask;
        }
    }
}
