using Natalia.Backup.Hypervisors.Qemu.Machines;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>Lets the process die before one of its calls: from then on each fails, those of a clean-up too.</summary>
internal sealed class MortalCalls(int lifetime) : HostCalls
{
    private int _calls;

    internal override void Before(string call)
    {
        if (Interlocked.Increment(ref _calls) > lifetime) throw new IOException($"The process has died ({call}).");
    }
}
