using Natalia.Backup.Serving.Network;

namespace Natalia.Backup.Serving.Scsi;

/// <summary>Lets writes run beside each other, and COMPARE AND WRITE alone: nothing may come between its
/// parts.</summary>
internal sealed class WriteGate
{
    private const int Places = 64;

    private readonly Room _places = new(Places, 1);

    internal Task<IDisposable> BesideAsync(CancellationToken cancellationToken) => EnterAsync(1, cancellationToken);

    internal Task<IDisposable> AloneAsync(CancellationToken cancellationToken) =>
        EnterAsync(Places, cancellationToken);

    private async Task<IDisposable> EnterAsync(int places, CancellationToken cancellationToken)
    {
        int taken = await _places.TakeAsync(places, cancellationToken).ConfigureAwait(false);
        return new Leave(() => _places.Give(taken));
    }

    private sealed class Leave(Action leave) : IDisposable
    {
        public void Dispose() => leave();
    }
}
