using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>
/// A hypervisor with a test bench, seen from outside: what a conformance test changes and looks at behind the bench's
/// back.
/// </summary>
public interface ITestBenchFixture : IAsyncDisposable
{
    /// <summary>A connection of its own, as another process would make it.</summary>
    /// <param name="lifetime">Before which of its calls it dies; null for a long life.</param>
    Task<IHypervisor> ConnectAsync(int? lifetime = null);

    /// <summary>A point that the bench takes.</summary>
    RestoreSource Source { get; }

    /// <summary>The network that leads nowhere.</summary>
    string IsolatedNetwork { get; }

    /// <summary>The VMs that are there, by the hypervisor's id.</summary>
    IReadOnlyCollection<string> VMs { get; }

    /// <summary>Whether a VM is switched on.</summary>
    bool IsRunning(string nativeId);

    /// <summary>Connects an adapter of a VM to a network with people in it.</summary>
    void MoveAdapter(string nativeId);

    /// <summary>Takes the mark of its test away from a VM, as from another that got its id.</summary>
    void TakeMark(string nativeId);

    /// <summary>Whether the guest of a VM answers, and says what to <c>/bin/check</c>.</summary>
    void SetGuest(string nativeId, bool answers, string output);
}
