using System.Management.Automation;
using Natalia.Backup.Commands;

namespace Natalia.Backup.Cmdlets.Tests.Pipeline;

/// <summary>A cmdlet whose body the test gives as a delegate: <c>Test-Body $body</c>.</summary>
[Cmdlet(VerbsDiagnostic.Test, "Body", SupportsShouldProcess = true)]
[OutputType(typeof(object))]
public sealed class TestBodyCommand : NataliaCommand
{
    [Parameter(Mandatory = true, Position = 0)]
    public object Body { get; set; } = null!;

    [Parameter(ValueFromPipeline = true)]
    public object? Item { get; set; }

    [Parameter]
    public object? End { get; set; }

    internal void Write(object value) => Emit(value);

    internal void Defer(Exception exception, object? target = null) => DeferError(exception, target);

    internal void Leftover(string text) => EmitLeftover(text);

    internal void Warn(string text) => EmitWarning(text);

    internal Task<bool> Should(string target, string action) => ShouldProcessAsync(target, action);

    internal Task<T> OnPipeline<T>(Func<T> function) => OnPipelineAsync(function);

    private protected override Task ProcessAsync(CancellationToken cancellationToken) => Call(Body, cancellationToken);

    private protected override Task EndAsync(CancellationToken cancellationToken) =>
        End is null ? Task.CompletedTask : Call(End, cancellationToken);

    private Task Call(object body, CancellationToken cancellationToken) =>
        ((Func<TestBodyCommand, CancellationToken, Task>)(body is PSObject wrapped ? wrapped.BaseObject : body))(this,
            cancellationToken);
}
