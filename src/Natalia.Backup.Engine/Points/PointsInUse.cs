namespace Natalia.Backup.Engine.Points;

/// <summary>
/// Which points this process reads for a restore, through whatever session. Readers in other processes need no such
/// list: what a removed point needs stays in the store for a time of grace.
/// </summary>
internal static class PointsInUse
{
    private static readonly Dictionary<(string RepositoryId, string RestorePointId), int> s_readers = [];

    /// <summary>A restore begins; dispose the result when it has ended.</summary>
    internal static IDisposable Enter(string repositoryId, string restorePointId)
    {
        lock (s_readers)
        {
            s_readers.TryGetValue((repositoryId, restorePointId), out int readers);
            s_readers[(repositoryId, restorePointId)] = readers + 1;
        }
        return new Reader((repositoryId, restorePointId));
    }

    internal static bool Contains(string repositoryId, string restorePointId)
    {
        lock (s_readers) return s_readers.ContainsKey((repositoryId, restorePointId));
    }

    private sealed class Reader((string, string) point) : IDisposable
    {
        private bool _ended;

        public void Dispose()
        {
            lock (s_readers)
            {
                if (_ended) return;
                _ended = true;
                if (--s_readers[point] == 0) s_readers.Remove(point);
            }
        }
    }
}
