namespace Natalia.Backup.Engine.Core;

/// <summary>How many objects one operation stored under a lock that was read back. Thread-safe.</summary>
internal sealed class LockCount
{
    private int _objects;

    internal int Objects => Volatile.Read(ref _objects);

    internal void Add() => Interlocked.Increment(ref _objects);
}
