using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Output;

/// <summary>Something that is going on and says how far it is. Disposing it says that it has ended.</summary>
internal interface IActivity : IProgress<OperationProgress>, IDisposable;
