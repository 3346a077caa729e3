using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.VSphere;

/// <summary>A session that breaks at one of its calls, or whose process dies there.</summary>
internal sealed class FaultyVim(IVimService inner, CallFault? fault) : IVimService
{
    private int _calls = -1, _waits;
    private volatile bool _isDead;

    /// <summary>Told how many tasks were waited for before this one; whether it is over, as if it had been well.
    /// </summary>
    internal Func<int, bool>? OnWait { get; init; }

    public Uri BaseUri => inner.BaseUri;

    public bool IsVirtualCenter => inner.IsVirtualCenter;

    public XElement About => inner.About;

    public TimeProvider Clock => inner.Clock;

    public VimReference Singleton(string name) => inner.Singleton(name);

    public Task<IReadOnlyList<XElement>> CallAsync(VimReference target, string method,
        IEnumerable<XElement?> arguments, CancellationToken cancellationToken) =>
        AtAsync(() => inner.CallAsync(target, method, arguments, cancellationToken));

    public Task<IReadOnlyList<VimObject>> GetPropertiesAsync(IEnumerable<VimReference> objects,
        IEnumerable<string> paths, CancellationToken cancellationToken) =>
        AtAsync(() => inner.GetPropertiesAsync(objects, paths, cancellationToken));

    public Task<IReadOnlyList<VimObject>> FindAsync(VimReference? container, string type, IEnumerable<string> paths,
        CancellationToken cancellationToken) =>
        AtAsync(() => inner.FindAsync(container, type, paths, cancellationToken));

    public Task<XElement?> WaitTaskAsync(VimReference task, VimTaskOptions how, CancellationToken cancellationToken) =>
        AtAsync(() => OnWait?.Invoke(_waits++) == true ? Task.FromResult<XElement?>(null)
            : inner.WaitTaskAsync(task, how, cancellationToken));

    public Task<HttpResponseMessage> SendAsync(Func<HttpRequestMessage> request,
        CancellationToken cancellationToken) => AtAsync(() => inner.SendAsync(request, cancellationToken));

    public Task<IReadOnlyList<string>> TrustHostAsync(VimReference host, CancellationToken cancellationToken) =>
        AtAsync(() => inner.TrustHostAsync(host, cancellationToken));

    public IDisposable KeepAlive() => inner.KeepAlive();

    public void Dispose() => inner.Dispose();

    private async Task<T> AtAsync<T>(Func<Task<T>> call)
    {
        if (_isDead) throw new SimulatedCrashException("a call");
        bool isNow = Interlocked.Increment(ref _calls) == fault?.At;
        if (isNow && !fault!.IsAfter) throw Strike();
        T result = await call();
        if (!isNow) return result;
        (result as IDisposable)?.Dispose();
        throw Strike();
    }

    private Exception Strike()
    {
        _isDead = fault!.IsDeath;
        return fault.IsDeath ? new SimulatedCrashException("a call")
            : fault.IsAfter
                ? new NataliaException(ErrorIds.RequestOutcomeUnknown, NataliaErrorKind.Connection,
                    "The connection broke.")
                : new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.Connection,
                    "The server does not answer.");
    }
}
